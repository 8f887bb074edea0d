//! Which names does a certificate stand for, and when does one of them cover a host (RFC 9525)?

use std::net::IpAddr;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// A wildcard, without the dot after it.
const WILDCARD: &str = "*";

/// The DNS names, in lower case, and the IP addresses of a certificate's subject alternative name. The common name does
/// not count, as it does not for any client of today (RFC 9525 §2).
pub(super) fn of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// What a name in a certificate or in the configuration stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern<'a> {
    /// One host.
    Exact(&'a str),
    /// Every host with exactly one label before this domain: the wildcard is the whole leftmost label and stands for
    /// one label (RFC 9525 §6.3).
    Wildcard(&'a str),
}

impl<'a> Pattern<'a> {
    /// Reads a name; `None` if it is no host name, such as one with a `*` elsewhere.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let (pattern, host) = match name.split_once('.') {
            Some((WILDCARD, domain)) => (Self::Wildcard(domain), domain),
            _ => (Self::Exact(name), name),
        };
        (is_host(host) || host.parse::<IpAddr>().is_ok()).then_some(pattern)
    }
}

/// Whether one of a certificate's `names` covers `pattern`: a wildcard covers itself and hosts, not other wildcards.
pub(super) fn cover(names: &[String], pattern: Pattern<'_>) -> bool {
    names
        .iter()
        .any(|name| match (Pattern::parse(name), pattern) {
            (Some(Pattern::Wildcard(domain)), Pattern::Exact(host)) => {
                parent(host).is_some_and(|parent| parent == domain)
            }
            (own, wanted) => own == Some(wanted),
        })
}

/// The domain a wildcard would have to be of to match `host`.
pub(super) fn parent(host: &str) -> Option<&str> {
    match host.split_once('.') {
        Some((label, domain)) if !label.is_empty() => Some(domain),
        _ => None,
    }
}

fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9525_6_3_a_wildcard_is_the_whole_leftmost_label() {
        assert_eq!(
            Pattern::parse("*.a.example"),
            Some(Pattern::Wildcard("a.example"))
        );
        assert_eq!(
            Pattern::parse("b.example"),
            Some(Pattern::Exact("b.example"))
        );
        for bad in [
            "*",
            "*.",
            "a*.example",
            "a.*.example",
            "*.*.example",
            "",
            "a..b",
            "a b.example",
        ] {
            assert_eq!(Pattern::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn rfc9525_6_3_a_wildcard_covers_one_label() {
        let names = ["*.a.example".to_owned()];
        assert!(cover(&names, Pattern::Exact("x.a.example")));
        assert!(cover(&names, Pattern::Wildcard("a.example")));
        for other in ["a.example", "x.y.a.example", ".a.example"] {
            assert!(!cover(&names, Pattern::Exact(other)), "{other}");
        }
        assert!(!cover(&names, Pattern::Wildcard("y.a.example")));
    }
}
