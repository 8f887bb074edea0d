//! How is a client brought to HTTPS, and kept there?

use std::fmt::Write as _;

use http::HeaderValue;

use crate::config::tls::Hsts;

/// Where a request over plain HTTP is sent: the same host and target over HTTPS. `port` is left out if it is HTTPS' own.
pub fn location(host: &str, port: u16, target: &str) -> String {
    let mut location = String::with_capacity(16 + host.len() + target.len());
    location.push_str("https://");
    location.push_str(host);
    if port != 443 {
        // Writing to a string can't fail.
        let _ = write!(location, ":{port}");
    }
    location.push_str(if target.starts_with('/') { target } else { "/" });
    location
}

/// The value of `Strict-Transport-Security` (RFC 6797 §6.1).
pub fn strict_transport_security(hsts: &Hsts) -> HeaderValue {
    let mut value = format!(
        "max-age={}",
        std::time::Duration::from(hsts.max_age).as_secs()
    );
    if hsts.include_subdomains {
        value.push_str("; includeSubDomains");
    }
    if hsts.preload {
        value.push_str("; preload");
    }
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static("max-age=0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_and_the_target_are_kept_and_the_port_is_right() {
        assert_eq!(
            location("a.example", 443, "/x?y=1"),
            "https://a.example/x?y=1"
        );
        assert_eq!(location("[::1]", 8443, "/"), "https://[::1]:8443/");
        assert_eq!(location("a.example", 443, "*"), "https://a.example/");
    }

    #[test]
    fn rfc6797_6_1_directives_are_written_as_browsers_read_them() {
        let hsts = Hsts {
            include_subdomains: true,
            preload: true,
            ..Hsts::default()
        };
        assert_eq!(
            strict_transport_security(&hsts),
            "max-age=31536000; includeSubDomains; preload"
        );
    }
}
