//! What must a request not say whose answer goes to others?
//!
//! Who asks next for the same object is compared by its key alone. Whatever else chooses an answer would let one client
//! choose it for all ("web cache poisoning"): an endpoint that builds its links by `X-Forwarded-Host`, or routes by
//! `X-Original-URL`, is told what the key says, or nothing. What names a client and no object stays as it is: an endpoint
//! that answers by that has to say so, by `Vary` or `private`.

use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, EXPECT,
    FORWARDED, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
};

use crate::cache::KeyRule;
use crate::proxy::forward::{Fields, Keep, is_claim, strip_request};

/// All of these but the one that lists addresses: `X-Forwarded-Host`, `-Proto`, `-Port`, `-Scheme`, `-Ssl`, `-Prefix`,
/// `-Server`, `-Uri`, `-Path`, `-Method` and whatever comes next.
const CLAIMS: &str = "x-forwarded-";

/// A list of addresses, and the one of a client: they name nobody's object.
const ADDRESSES: [&str; 1] = ["x-forwarded-for"];

/// What some endpoint reads in place of the request line, the authority or the scheme. An untrusted peer's claims among
/// them never pass; here those of a trusted one do not either, which passes on what its clients send.
const CHOOSE: &[&str] = &[
    // The target. Symfony and Zend (CVE-2018-14773), IIS's URL rewriting, Django behind FastCGI.
    "x-original-url",
    "x-original-uri",
    "x-override-url",
    "x-request-uri",
    "x-rewrite-url",
    "x-script-name",
    // The method: Rack, Symfony, Laravel, Express, ASP.NET.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    // The authority: the fields that Kettle, "Practical Web Cache Poisoning" (2018), found to be believed.
    "x-backend-host",
    "x-forwarded",
    "x-host",
    "x-http-host-override",
    "x-original-host",
    // The scheme, in the dialects of proxies and clouds.
    "cf-visitor",
    "cloudfront-forwarded-proto",
    "fastly-ssl",
    "front-end-https",
    "wl-proxy-ssl",
    "x-arr-ssl",
    "x-https",
    "x-scheme",
    "x-url-scheme",
];

/// What belongs to a body, or to the way there. Nothing of it is asked for.
const OF_A_BODY: [HeaderName; 9] = [
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_LOCATION,
    CONTENT_TYPE,
    EXPECT,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
];

/// Takes all that away. What the client's connection nominates goes first, so that the key, which goes by what is left,
/// does not go by what the endpoint never sees. `keyed` are fields that the key goes by.
pub(super) fn clean(fields: &mut impl Fields, keyed: &[HeaderName]) {
    strip_request(fields, Keep::default());
    for name in &OF_A_BODY {
        if fields.map().contains_key(name) {
            fields.remove(name);
        }
    }
    let chooses = |name: &&HeaderName| chooses(name.as_str()) && !keyed.contains(name);
    let gone: Vec<HeaderName> = fields.map().keys().filter(chooses).cloned().collect();
    for name in &gone {
        fields.remove(name);
    }
    if fields.map().contains_key(FORWARDED) && !keyed.contains(&FORWARDED) {
        leave_addresses(fields);
    }
}

/// Whether what an endpoint reads in a field of this name is the proxy's word, and not the key's: two requests that came with
/// the same fields would not be told apart by it, though the endpoint does. `key` is that of the object.
pub(super) fn is_told_apart(name: &str, key: &KeyRule) -> bool {
    let by_key = match name {
        "x-forwarded-proto" => key.scheme,
        "x-forwarded-host" | "x-forwarded-port" => key.host,
        // A field of these in the key is there as the client wrote it.
        _ => false,
    };
    (is_claim(name) || name == "via") && !by_key
}

/// Whether a field may choose an answer, however it is spelled: CGI-like endpoints take `_` for `-`.
fn chooses(name: &str) -> bool {
    let is = |other: &str| name.len() == other.len() && begins_with(name, other);
    let claims = begins_with(name, CLAIMS) && !ADDRESSES.contains(&name);
    claims || CHOOSE.iter().any(|other| is(other))
}

fn begins_with(name: &str, start: &str) -> bool {
    let same = |(a, b): (&u8, &u8)| a == b || (*a == b'_' && *b == b'-');
    name.len() >= start.len() && name.as_bytes().iter().zip(start.as_bytes()).all(same)
}

/// Of each hop in `Forwarded` (RFC 7239 §4), whom it came from is left; that it was for this host and over this scheme is not.
fn leave_addresses(fields: &mut impl Fields) {
    let mut left = Vec::new();
    for line in fields.map().get_all(FORWARDED) {
        for hop in unquoted(line.as_bytes(), b',') {
            let address = unquoted(hop, b';').find(|pair| {
                let pair = pair.trim_ascii();
                pair.get(..4)
                    .is_some_and(|name| name.eq_ignore_ascii_case(b"for="))
            });
            let Some(address) = address else { continue };
            if !left.is_empty() {
                left.extend_from_slice(b", ");
            }
            left.extend_from_slice(address.trim_ascii());
        }
    }
    // A part of a value is one as well.
    match HeaderValue::from_bytes(&left) {
        Ok(value) if !left.is_empty() => fields.set(FORWARDED, value),
        _ => fields.remove(&FORWARDED),
    }
}

/// The parts of a list between its separators, except for those within quotes (RFC 9110 §5.6.4).
fn unquoted(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    list.split(move |byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        !quoted && *byte == separator
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn cleaned(lines: &[(&'static str, &'static str)], keyed: &[HeaderName]) -> Vec<String> {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, HeaderValue::from_static(value));
        }
        clean(&mut fields, keyed);
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().expect("text"))
        };
        fields.iter().map(line).collect()
    }

    #[test]
    fn what_endpoints_read_in_place_of_the_request_line_goes_in_any_spelling() {
        for name in [
            "x-forwarded-host",
            "x-forwarded-scheme",
            "x_forwarded_host",
            "x-forwarded_for",
            "x-original-url",
            "x_rewrite-url",
            "x-http-method-override",
            "x-host",
            "cf-visitor",
        ] {
            assert!(cleaned(&[(name, "evil.example")], &[]).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_the_key_goes_by_stays() {
        let keyed = [HeaderName::from_static("x-forwarded-host")];
        let left = cleaned(
            &[("x-forwarded-host", "a"), ("x-forwarded-port", "1")],
            &keyed,
        );
        assert_eq!(left, ["x-forwarded-host: a"]);
    }

    #[test]
    fn what_names_a_client_or_is_for_vary_to_name_stays() {
        for name in [
            "x-forwarded-for",
            "x-real-ip",
            "accept",
            "accept-language",
            "cookie",
            "authorization",
            "x-hosting",
        ] {
            assert_eq!(cleaned(&[(name, "1")], &[]), [format!("{name}: 1")]);
        }
    }

    #[test]
    fn rfc9110_7_6_1_what_a_client_nominates_is_gone_before_a_key_can_go_by_it() {
        let fields = [("connection", "x-country"), ("x-country", "de")];
        let keyed = [HeaderName::from_static("x-country")];
        assert!(cleaned(&fields, &keyed).is_empty());
    }

    #[test]
    fn rfc9111_4_1_what_the_proxy_tells_of_a_client_tells_no_variants_apart() {
        let key = KeyRule::default();
        for name in [
            "x-forwarded-for",
            "x-real-ip",
            "forwarded",
            "via",
            "x-forwarded-prefix",
        ] {
            assert!(is_told_apart(name, &key), "{name}");
        }
        for name in [
            "accept-language",
            "x-forwarded-proto",
            "x-forwarded-host",
            "cookie",
        ] {
            assert!(!is_told_apart(name, &key), "{name}");
        }
        let less = KeyRule {
            scheme: false,
            headers: Box::new([HeaderName::from_static("x-real-ip")]),
            ..key
        };
        assert!(is_told_apart("x-forwarded-proto", &less));
        assert!(is_told_apart("x-real-ip", &less));
    }

    #[test]
    fn nothing_of_a_body_is_said() {
        for name in OF_A_BODY {
            let mut fields = HeaderMap::new();
            fields.insert(name.clone(), HeaderValue::from_static("1"));
            clean(&mut fields, &[]);
            assert!(fields.is_empty(), "{name}");
        }
    }

    #[test]
    fn rfc7239_4_of_each_hop_its_address_is_left() {
        for (value, left) in [
            (
                "for=192.0.2.1;host=evil.example;proto=https",
                Some("for=192.0.2.1"),
            ),
            (
                "host=a;For=\"[2001:db8::1]:4711\", proto=http;for=b",
                Some("For=\"[2001:db8::1]:4711\", for=b"),
            ),
            (
                "for=\"a,b;host=c\\\",d\";host=e",
                Some("for=\"a,b;host=c\\\",d\""),
            ),
            ("host=evil.example", None),
            ("for", None),
            ("", None),
            (",;,", None),
        ] {
            let left: Vec<String> = left
                .iter()
                .map(|left| format!("forwarded: {left}"))
                .collect();
            assert_eq!(cleaned(&[("forwarded", value)], &[]), left, "{value}");
        }
    }
}
