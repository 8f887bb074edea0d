//! Which fields would let a client pass for someone else, if the origin believed them?

use super::Fields;
use http::HeaderName;

/// What proxies tell origins about a request, in every dialect in use. `X-Original-URL` and `X-Rewrite-URL` make some
/// frameworks route by them instead of the request target, and so walk past the rules for the real path.
const CLAIMS: &[&str] = &[
    "cf-connecting-ip",
    "fastly-client-ip",
    "forwarded",
    "front-end-https",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
    "x-scheme",
    "x-url-scheme",
];

/// All of these are claims: `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`, `-Prefix`, `-Ssl` and whatever comes next.
const CLAIM_PREFIX: &str = "x-forwarded-";

/// Removes the claims of a peer that is not trusted to make them.
///
/// Spellings with an underscore go whoever sent them: CGI-like origins read `X_Forwarded_For` and `X-Forwarded-For` as
/// the same variable, and no proxy writes the former. So does `Proxy`, which such origins read as their own
/// `HTTP_PROXY` setting (CVE-2016-5385).
pub(super) fn remove(fields: &mut impl Fields, trusted: bool) {
    let spoofed: Vec<HeaderName> = fields
        .map()
        .keys()
        .filter(|name| is_spoofed(name.as_str(), trusted))
        .cloned()
        .collect();
    for name in &spoofed {
        fields.remove(name);
    }
}

fn is_spoofed(name: &str, trusted: bool) -> bool {
    name == "proxy" || (is_claim(name) && (!trusted || name.contains('_')))
}

/// Whether a field of this name, in any spelling, is what proxies tell of a request.
pub fn is_claim(name: &str) -> bool {
    begins_with(name, CLAIM_PREFIX)
        || CLAIMS
            .iter()
            .any(|claim| claim.len() == name.len() && begins_with(name, claim))
}

/// Whether `name` begins with `start`, taking `_` for `-`.
fn begins_with(name: &str, start: &str) -> bool {
    let same = |(a, b): (&u8, &u8)| a == b || (*a == b'_' && *b == b'-');
    name.len() >= start.len() && name.as_bytes().iter().zip(start.as_bytes()).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    fn left(names: &[&'static str], trusted: bool) -> usize {
        let mut map = HeaderMap::new();
        for name in names {
            map.insert(*name, HeaderValue::from_static("1"));
        }
        remove(&mut map, trusted);
        map.len()
    }

    #[test]
    fn claims_are_removed_from_an_untrusted_peer_only() {
        let claims = [
            "x-forwarded-for",
            "x-forwarded-prefix",
            "forwarded",
            "x-original-url",
            "x-rewrite-url",
            "x-real-ip",
        ];
        assert_eq!(left(&claims, false), 0);
        assert_eq!(left(&claims, true), claims.len());
    }

    #[test]
    fn underscore_spellings_and_proxy_are_removed_from_everyone() {
        let names = [
            "x_forwarded_for",
            "x-forwarded_proto",
            "x_real_ip",
            "x_request_id",
            "proxy",
        ];
        assert_eq!(left(&names, true), 0);
    }

    #[test]
    fn other_fields_stay() {
        let names = [
            "x_custom",
            "x-forward",
            "x-real-ips",
            "accept",
            "user-agent",
        ];
        assert_eq!(left(&names, false), names.len());
    }
}
