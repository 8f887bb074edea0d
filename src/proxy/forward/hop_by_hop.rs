//! Which fields belong to one connection only, and end here (RFC 9110 §7.6.1)?

use super::{Fields, members};
use http::header::{self, HeaderName, HeaderValue};

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
static PROXY_AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("proxy-authentication-info");

/// Which connection fields the caller handles itself. The default strips them all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Leave `Transfer-Encoding`, because the caller's framing reads it.
    pub transfer_encoding: bool,
    /// Pass on a proper change of protocol: an `Upgrade` field that `Connection` nominates (RFC 9110 §7.8). An upgrade
    /// to `h2c` is stripped even so: a connection that turns into HTTP/2 behind the proxy's back carries requests that
    /// no route and no policy has seen.
    pub upgrade: bool,
}

/// Removes from a request what concerns only the connection it came on.
///
/// That is every field `Connection` nominates, `Connection`, `Proxy-Connection`, `Keep-Alive`, `Proxy-Authorization`,
/// `TE` except for `trailers`, and, as far as `keep` does not say otherwise, `Transfer-Encoding` and `Upgrade`.
/// `Trailer` stays: it describes the content, not the connection (RFC 9110 §6.6.2).
///
/// A caller that sends `TE` on over HTTP/1.1 has to nominate it in its own `Connection` field (§10.1.4).
///
/// A nomination of a field that is meant for the origin, such as `Host`, `Content-Length`, `Cookie` or
/// `X-Forwarded-For`, has no effect. §7.6.1 forbids clients to send one, and obeying it would let a client take
/// credentials, framing or the proxies' own information out of a request.
pub fn strip_request(fields: &mut impl Fields, keep: Keep) {
    let trailers = fields
        .map()
        .get_all(header::TE)
        .iter()
        .flat_map(members)
        .any(|member| member.eq_ignore_ascii_case(b"trailers"));
    strip(fields, keep);
    remove_present(fields, &header::PROXY_AUTHORIZATION);
    if trailers {
        fields.set(header::TE, HeaderValue::from_static("trailers"));
    } else {
        remove_present(fields, &header::TE);
    }
}

/// Removes from a response what concerns only the connection it came on: as [`strip_request`], with
/// `Proxy-Authenticate` and `Proxy-Authentication-Info` for `Proxy-Authorization`.
///
/// Set `keep.upgrade` for a 101 response only; then `Upgrade` and `Connection` reach the client.
pub fn strip_response(fields: &mut impl Fields, keep: Keep) {
    strip(fields, keep);
    remove_present(fields, &header::PROXY_AUTHENTICATE);
    remove_present(fields, &PROXY_AUTHENTICATION_INFO);
    remove_present(fields, &header::TE);
}

fn strip(fields: &mut impl Fields, keep: Keep) {
    let mut upgrades = false;
    if fields.map().contains_key(header::CONNECTION) {
        let nominated = nominated(fields, &mut upgrades);
        for name in &nominated {
            fields.remove(name);
        }
        fields.remove(&header::CONNECTION);
    }
    remove_present(fields, &KEEP_ALIVE);
    remove_present(fields, &PROXY_CONNECTION);
    if !keep.transfer_encoding {
        remove_present(fields, &header::TRANSFER_ENCODING);
    }
    if fields.map().contains_key(header::UPGRADE) {
        if keep.upgrade && upgrades && !asks_for_h2c(fields) {
            fields.set(header::CONNECTION, HeaderValue::from_static("upgrade"));
        } else {
            fields.remove(&header::UPGRADE);
        }
    }
}

/// The fields `Connection` nominates that may go; `upgrades` tells whether `Upgrade` is among its options. The usual
/// options, `close`, `keep-alive`, `upgrade` and `te`, are dealt with elsewhere, so the usual request allocates nothing.
fn nominated(fields: &impl Fields, upgrades: &mut bool) -> Vec<HeaderName> {
    let mut names = Vec::new();
    let lines = fields.map().get_all(header::CONNECTION);
    for option in lines.iter().flat_map(members) {
        if option.eq_ignore_ascii_case(b"upgrade") {
            *upgrades = true;
        } else if [&b"close"[..], b"keep-alive", b"te"]
            .iter()
            .all(|usual| !option.eq_ignore_ascii_case(usual))
            && let Ok(name) = HeaderName::from_bytes(option)
            && fields.map().contains_key(&name)
            && !is_end_to_end(&name)
        {
            names.push(name);
        }
    }
    names
}

/// The fields no nomination may remove.
fn is_end_to_end(name: &HeaderName) -> bool {
    const NAMES: &[&str] = &[
        "authorization",
        "cache-control",
        "cookie",
        "date",
        "expect",
        "forwarded",
        "host",
        "location",
        "origin",
        "range",
        "set-cookie",
        // Framing: whether this one stays is for `Keep` to say.
        "transfer-encoding",
        "vary",
        "via",
        "x-real-ip",
        "x-request-id",
    ];
    let name = name.as_str();
    NAMES.contains(&name) || name.starts_with("content-") || name.starts_with("x-forwarded-")
}

fn asks_for_h2c(fields: &impl Fields) -> bool {
    let lines = fields.map().get_all(header::UPGRADE);
    lines
        .iter()
        .flat_map(members)
        .any(|protocol| protocol.eq_ignore_ascii_case(b"h2c"))
}

/// Looks before it removes: a lookup is cheaper than the bookkeeping of a removal, and most fields are absent.
fn remove_present(fields: &mut impl Fields, name: &HeaderName) {
    if fields.map().contains_key(name) {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    const UPGRADE: Keep = Keep {
        transfer_encoding: false,
        upgrade: true,
    };

    fn request(lines: &[(&'static str, &'static str)], keep: Keep) -> Vec<String> {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_static(value));
        }
        strip_request(&mut map, keep);
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().expect("tests use ASCII"))
        };
        map.iter().map(text).collect()
    }

    #[test]
    fn rfc9110_7_6_1_removes_connection_fields_and_what_they_nominate() {
        let left = request(
            &[
                ("connection", "close, X-Secret"),
                ("connection", "x-other ,, bad name"),
                ("x-secret", "1"),
                ("x-other", "1"),
                ("x-other", "2"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
                ("proxy-authorization", "Basic eA=="),
                ("transfer-encoding", "chunked"),
                ("trailer", "digest"),
                ("accept", "*/*"),
            ],
            Keep::default(),
        );
        assert_eq!(left, ["trailer: digest", "accept: */*"]);
    }

    #[test]
    fn rfc9110_7_6_1_a_nomination_cannot_remove_what_is_meant_for_the_origin() {
        let lines = [
            ("host", "a.example"),
            ("content-length", "5"),
            ("cookie", "a=b"),
            ("authorization", "Bearer x"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-request-id", "1"),
        ];
        let mut with_connection = lines.to_vec();
        with_connection.extend(lines.map(|(name, _)| ("connection", name)));
        let left = request(&with_connection, Keep::default());
        let want = lines.map(|(name, value)| format!("{name}: {value}"));
        assert_eq!(left, want);
    }

    #[test]
    fn framing_stays_for_a_caller_who_reads_it_even_when_it_is_nominated() {
        let keep = Keep {
            transfer_encoding: true,
            upgrade: false,
        };
        let lines = [
            ("connection", "transfer-encoding"),
            ("transfer-encoding", "chunked"),
        ];
        assert_eq!(request(&lines, keep), ["transfer-encoding: chunked"]);
        assert!(request(&lines, Keep::default()).is_empty());
    }

    #[test]
    fn rfc9110_10_1_4_of_te_only_trailers_is_passed_on() {
        let te = |value| request(&[("connection", "TE"), ("te", value)], Keep::default());
        assert_eq!(te("deflate, Trailers"), ["te: trailers"]);
        assert!(te("deflate, trailers;q=0.5").is_empty());
        assert!(te("gzip").is_empty());
    }

    #[test]
    fn rfc9110_7_8_an_upgrade_passes_only_when_allowed_and_nominated() {
        let lines = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
        ];
        let left = request(&lines, UPGRADE);
        assert_eq!(left, ["upgrade: websocket", "connection: upgrade"]);
        assert!(request(&lines, Keep::default()).is_empty());
        assert!(request(&lines[1..], UPGRADE).is_empty());
        assert!(request(&lines[..1], UPGRADE).is_empty());
    }

    #[test]
    fn an_upgrade_to_h2c_never_passes() {
        let left = request(
            &[
                ("connection", "Upgrade, HTTP2-Settings"),
                ("upgrade", "websocket, H2C"),
                ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
            ],
            UPGRADE,
        );
        assert!(left.is_empty());
    }

    #[test]
    fn a_response_is_stripped_the_same_way() {
        let mut map = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("proxy-authenticate", "Basic"),
            ("proxy-authentication-info", "x"),
            ("upgrade", "h2c"),
            ("set-cookie", "a=b"),
        ] {
            map.append(name, HeaderValue::from_static(value));
        }
        strip_response(&mut map, Keep::default());
        assert_eq!(map.len(), 1);
        assert!(map.contains_key(header::SET_COOKIE));
    }
}
