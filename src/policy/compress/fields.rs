//! What do the fields of a coded answer say?

use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Coding;
use crate::proxy::forward::Fields;

static CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Makes the fields those of the answer in this coding.
pub fn dress(fields: &mut impl Fields, coding: Coding) {
    fields.set(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    // The length is another one, and so is what a range would be a range of (RFC 9110 §14.3). `Content-MD5` is of the bytes
    // that were sent, and has had no meaning since RFC 7231, yet some storages put it on everything.
    for name in [&CONTENT_LENGTH, &ACCEPT_RANGES, &CONTENT_MD5] {
        if fields.map().contains_key(name) {
            fields.remove(name);
        }
    }
    if let Some(tag) = fields.map().get(ETAG) {
        match weakened(tag) {
            Tag::Weak => {}
            Tag::Strong(weak) => fields.set(ETAG, weak),
            Tag::Malformed => fields.remove(&ETAG),
        }
    }
    add_vary(fields);
}

/// Says that other requests get another form of it (RFC 9110 §12.5.5).
pub fn add_vary(fields: &mut impl Fields) {
    if !varies(fields.map()) {
        fields.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

fn varies(fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(VARY).iter();
    lines.any(|line| {
        let mut names = line.as_bytes().split(|byte| *byte == b',');
        names.any(|name| {
            let name = name.trim_ascii();
            name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding")
        })
    })
}

/// Makes the endpoint's 304 one for the client: what the client has may be a coded form, known by a weakened tag, and a 304
/// with the strong one would not be about that (RFC 9111 §4.3.4).
pub fn dress_not_modified(asked: &HeaderMap, fields: &mut impl Fields) {
    let mut coded = false;
    if let Some(tag) = fields.map().get(ETAG)
        && let Tag::Strong(weak) = weakened(tag)
        && has_member(asked, &weak)
        && !has_member(asked, tag)
    {
        coded = true;
        fields.set(ETAG, weak);
    }
    // Its `Vary` would replace the one the client has.
    if coded || fields.map().contains_key(VARY) {
        add_vary(fields);
    }
}

/// Whether the request names this tag among those that it has.
fn has_member(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.as_bytes();
    let mut lines = asked.get_all(IF_NONE_MATCH).iter();
    lines.any(|line| {
        let line = line.as_bytes();
        // Tags may contain commas. A weak one contains its strong form, but not at the beginning of a member.
        let mut places = memchr::memmem::find_iter(line, tag);
        places.any(|from| {
            let before = line[..from].trim_ascii_end();
            let after = line[from + tag.len()..].trim_ascii_start();
            matches!(before.last(), None | Some(b',')) && matches!(after.first(), None | Some(b','))
        })
    })
}

enum Tag {
    Weak,
    Strong(HeaderValue),
    Malformed,
}

/// The weak form of an entity tag (RFC 9110 §8.8.1): the coded form has not the same bytes.
fn weakened(tag: &HeaderValue) -> Tag {
    let bytes = tag.as_bytes();
    match bytes {
        [b'W', b'/', b'"', .., b'"'] if bytes.len() > 3 => Tag::Weak,
        [b'"', .., b'"'] => match HeaderValue::from_bytes(&[b"W/", bytes].concat()) {
            Ok(weak) => Tag::Strong(weak),
            Err(_) => Tag::Malformed,
        },
        _ => Tag::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        fields
    }

    fn told(fields: &HeaderMap) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().expect("text"))
        };
        let mut lines: Vec<String> = fields.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn what_is_no_longer_true_goes_and_what_is_said_newly_comes() {
        let mut fields = map(&[
            ("content-type", "text/html"),
            ("content-length", "1000"),
            ("accept-ranges", "bytes"),
            ("content-md5", "Q2hlY2sgSW50ZWdyaXR5IQ=="),
            ("content-encoding", "identity"),
            ("etag", "\"a,b\""),
            ("vary", "Origin"),
        ]);
        dress(&mut fields, Coding::Br);
        assert_eq!(
            told(&fields),
            [
                "content-encoding: br",
                "content-type: text/html",
                "etag: W/\"a,b\"",
                "vary: Accept-Encoding",
                "vary: Origin",
            ]
        );
        // Done twice, it is the same.
        let once = fields.clone();
        dress(&mut fields, Coding::Br);
        assert_eq!(told(&fields), told(&once));
    }

    #[test]
    fn rfc9110_8_8_1_only_a_strong_tag_is_weakened_and_a_malformed_one_goes() {
        for (tag, want) in [
            ("\"x\"", Some("W/\"x\"")),
            ("\"\"", Some("W/\"\"")),
            ("W/\"x\"", Some("W/\"x\"")),
            ("x", None),
            ("\"", None),
            ("W/\"", None),
            ("w/\"x\"", None),
        ] {
            let mut fields = map(&[("etag", tag)]);
            dress(&mut fields, Coding::Gzip);
            let got = fields.get(ETAG).map(HeaderValue::as_bytes);
            assert_eq!(got, want.map(str::as_bytes), "{tag}");
        }
    }

    #[test]
    fn rfc9110_12_5_5_vary_is_not_said_twice() {
        for (vary, lines) in [
            ("Accept-Encoding", 1),
            ("origin, accept-encoding", 1),
            ("*", 1),
            ("Accept", 2),
            ("X-Accept-Encoding", 2),
        ] {
            let mut fields = map(&[("vary", vary)]);
            add_vary(&mut fields);
            assert_eq!(fields.get_all(VARY).iter().count(), lines, "{vary}");
        }
    }

    #[test]
    fn rfc9111_4_3_4_a_304_names_the_tag_that_the_client_has() {
        for (asked, own, want) in [
            ("W/\"x\"", "\"x\"", "W/\"x\""),
            ("\"y\", W/\"x\" , \"z\"", "\"x\"", "W/\"x\""),
            ("\"x\"", "\"x\"", "\"x\""),
            ("W/\"x\", \"x\"", "\"x\"", "\"x\""),
            ("W/\"xx\"", "\"x\"", "\"x\""),
            ("*", "\"x\"", "\"x\""),
            ("W/\"x\"", "W/\"x\"", "W/\"x\""),
        ] {
            let asked = map(&[("if-none-match", asked)]);
            let mut fields = map(&[("etag", own)]);
            dress_not_modified(&asked, &mut fields);
            assert_eq!(fields.get(ETAG).expect("a tag"), want, "{asked:?}");
            let varies = fields.contains_key(VARY);
            assert_eq!(varies, own != want, "{asked:?}");
        }
        let mut fields = map(&[("vary", "Origin")]);
        dress_not_modified(&HeaderMap::new(), &mut fields);
        assert_eq!(told(&fields), ["vary: Accept-Encoding", "vary: Origin"]);
    }
}
