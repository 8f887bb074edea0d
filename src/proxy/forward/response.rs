//! What does the client learn about the proxy from a response?

use super::{Fields, via};
use crate::error::Reason;
use http::header::{self, HeaderValue};
use std::sync::LazyLock;

/// Appends `Via` to a response that was received as `version` (RFC 9110 §7.6.3).
pub fn add_response_fields(fields: &mut impl Fields, version: http::Version) {
    fields.append(header::VIA, via(version));
}

/// The `Proxy-Status` field (RFC 9209) of a response the proxy makes itself because of `reason`, such as
/// `portcullis;error=connection_refused;details="connect_refused"`: the type of the registry, which is coarser, and the
/// word of the log.
pub fn proxy_status(reason: Reason) -> HeaderValue {
    // The values are made once: an answer under attack costs no formatting.
    static VALUES: LazyLock<Box<[HeaderValue]>> =
        LazyLock::new(|| Reason::ALL.iter().map(|reason| format(*reason)).collect());
    VALUES
        .get(reason as usize)
        .cloned()
        .unwrap_or_else(|| format(reason))
}

fn format(reason: Reason) -> HeaderValue {
    let value = format!(
        "portcullis;error={};details=\"{reason}\"",
        reason.proxy_status()
    );
    // The types are tokens of RFC 9209 §2.3, so the fallback is for the compiler.
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("portcullis"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9209_2_3_every_reason_has_its_error_type() {
        for reason in Reason::ALL {
            let want = format!(
                "portcullis;error={};details=\"{reason}\"",
                reason.proxy_status()
            );
            assert_eq!(proxy_status(*reason), want.as_str());
        }
    }

    #[test]
    fn rfc9110_7_6_3_via_names_the_version_the_response_came_in() {
        let mut map = http::HeaderMap::new();
        add_response_fields(&mut map, http::Version::HTTP_10);
        add_response_fields(&mut map, http::Version::HTTP_2);
        let via: Vec<_> = map.get_all(header::VIA).iter().collect();
        assert_eq!(via, ["1.0 portcullis", "2 portcullis"]);
    }
}
