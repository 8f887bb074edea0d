//! What is the one normal form of a request's path, and which paths have none?
//!
//! RFC 3986 §6.2.2 with the ambiguous inputs refused rather than guessed at: a path two parsers can
//! read differently is a way around every rule that is bound to a path.

use std::borrow::Cow;

/// The path can't be normalised without ambiguity; the request must be refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ambiguous path: {why}")]
pub struct AmbiguousPath {
    /// What is wrong with it, for the log and for the message about a pattern.
    pub why: &'static str,
}

/// The normal form of `path`, the raw path of a request target without its query.
///
/// Borrowed when the path is normal already. The result is ASCII, starts with `/`, and is its own
/// normal form (RFC 3986 §6.2.2).
///
/// | input                                         | result                                         |
/// |-----------------------------------------------|------------------------------------------------|
/// | does not start with `/`                       | refused                                        |
/// | `//`                                          | merged to `/`                                  |
/// | `/./`, `/../`, also at the end                | resolved (RFC 3986 §5.2.4)                     |
/// | `..` above the root                           | refused                                        |
/// | `/` at the end                                | kept: `/a` and `/a/` are two paths             |
/// | escaped unreserved character: `%41`, `%7e`    | decoded: `A`, `~` (§6.2.2.2)                   |
/// | `%2e`                                         | decoded before dot segments are resolved       |
/// | any other escape: `%3a`, `%25`, `%C3`         | kept, hex digits in upper case (§6.2.2.1)      |
/// | `%2F`, `%5C`, `%00`, and a raw `\`            | refused                                        |
/// | an escape without two hex digits: `%zz`, `%4` | refused                                        |
/// | control character, DEL, space, `#`, `?`       | refused                                        |
/// | byte ≥ 0x80, and one of ``"<>[]^`{}\|``       | percent-encoded: a URI can't hold it raw (§2)  |
/// | `;` and what follows it in the segment        | kept                                           |
/// | `.` or `..` followed by `;` or `%3B`          | refused: Tomcat would drop the `;` and resolve |
///
/// Only one layer of escapes is removed, as the endpoint removes one: `%252F` stays as it is.
///
/// # Errors
///
/// When the path could be read in more than one way.
pub fn normalise(path: &[u8]) -> Result<Cow<'_, str>, AmbiguousPath> {
    // A normal path is ASCII, so the conversion holds whenever the scan does.
    if is_normal(path)
        && let Ok(text) = std::str::from_utf8(path)
    {
        return Ok(Cow::Borrowed(text));
    }
    rewrite(path).map(Cow::Owned)
}

/// What a raw byte means for the normal form.
#[derive(Clone, Copy)]
enum Class {
    /// Stands for itself (RFC 3986 §3.3, `pchar` without the escapes).
    Plain,
    Slash,
    /// Opens an escape.
    Percent,
    /// Not allowed raw in a URI, but has only one meaning: written as an escape.
    Foreign,
    Refused,
}

static CLASSES: [Class; 256] = {
    let mut classes = [Class::Refused; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = classify(byte as u8);
        byte += 1;
    }
    classes
};

const fn classify(byte: u8) -> Class {
    match byte {
        b'!' | b'$' | b'&'..=b',' | b';' | b'=' | b':' | b'@' => Class::Plain,
        _ if is_unreserved(byte) => Class::Plain,
        b'/' => Class::Slash,
        b'%' => Class::Percent,
        0..=b' ' | 0x7F | b'\\' | b'#' | b'?' => Class::Refused,
        _ => Class::Foreign,
    }
}

/// RFC 3986 §2.3: an escape of one of these means the same as the character.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_normal(path: &[u8]) -> bool {
    if path.first() != Some(&b'/') {
        return false;
    }
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match CLASSES[usize::from(*byte)] {
            Class::Plain => {}
            Class::Slash if tail.first() == Some(&b'/') || starts_with_dot_segment(tail) => {
                return false;
            }
            Class::Slash => {}
            Class::Percent => match escape(tail) {
                Some((value, after)) if is_kept(value) && !has_lower_case(tail) => rest = after,
                _ => return false,
            },
            Class::Foreign | Class::Refused => return false,
        }
    }
    true
}

fn rewrite(path: &[u8]) -> Result<String, AmbiguousPath> {
    let Some((b'/', path)) = path.split_first() else {
        return Err(AmbiguousPath {
            why: "it does not start with `/`",
        });
    };
    // Ends with `/` at the start of every segment; the next segment is written behind it, looked at
    // in its decoded form, and taken off again if it does not stay.
    let mut out = String::with_capacity(path.len() + 1);
    out.push('/');
    let mut segments = path.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let start = out.len();
        push_segment(&mut out, segment)?;
        match &out[start..] {
            "" => {}
            "." => out.truncate(start),
            ".." => {
                out.truncate(start - 1);
                let Some(parent) = out.rfind('/') else {
                    return Err(AmbiguousPath {
                        why: "a `..` leads above the root",
                    });
                };
                out.truncate(parent + 1);
            }
            name if starts_with_dot_segment(name.as_bytes()) => {
                return Err(AmbiguousPath {
                    why: "a dot segment has a `;` parameter",
                });
            }
            _ if segments.peek().is_some() => out.push('/'),
            _ => {}
        }
    }
    Ok(out)
}

fn push_segment(out: &mut String, segment: &[u8]) -> Result<(), AmbiguousPath> {
    let mut rest = segment;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match CLASSES[usize::from(*byte)] {
            Class::Plain | Class::Slash => out.push(char::from(*byte)),
            Class::Foreign => push_escape(out, *byte),
            Class::Refused => {
                return Err(AmbiguousPath {
                    why: refusal(*byte),
                });
            }
            Class::Percent => {
                let Some((value, after)) = escape(tail) else {
                    return Err(AmbiguousPath {
                        why: "a `%` without two hex digits behind it",
                    });
                };
                rest = after;
                if is_unreserved(value) {
                    out.push(char::from(value));
                } else if is_kept(value) {
                    push_escape(out, value);
                } else {
                    return Err(AmbiguousPath {
                        why: "an escaped `/`, `\\` or NUL",
                    });
                }
            }
        }
    }
    Ok(())
}

const fn refusal(byte: u8) -> &'static str {
    match byte {
        b'\\' => "a `\\`",
        b'#' => "a `#`",
        b'?' => "a `?`",
        _ => "a control character or a space",
    }
}

/// The byte an escape stands for and what follows it, `tail` being what follows the `%`.
fn escape(tail: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, after @ ..] = tail else {
        return None;
    };
    Some((hex_byte(*high, *low)?, after))
}

/// The byte two hex digits stand for.
pub(super) fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Whether the escape of `value` is part of the normal form.
const fn is_kept(value: u8) -> bool {
    !is_unreserved(value) && !matches!(value, b'/' | b'\\' | 0)
}

fn has_lower_case(tail: &[u8]) -> bool {
    tail.iter().take(2).any(u8::is_ascii_lowercase)
}

fn push_escape(out: &mut String, value: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(value >> 4)]));
    out.push(char::from(HEX[usize::from(value & 0xF)]));
}

/// Whether the first segment of `rest` is `.` or `..`, alone or followed by a `;` in either spelling.
fn starts_with_dot_segment(rest: &[u8]) -> bool {
    let ([b'.', b'.', after @ ..] | [b'.', after @ ..]) = rest else {
        return false;
    };
    match after {
        [] | [b'/' | b';', ..] => true,
        [b'%', high, low, ..] => hex_byte(*high, *low) == Some(b';'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(path: &str) -> String {
        normalise(path.as_bytes()).unwrap().into_owned()
    }

    #[test]
    fn a_normal_path_is_borrowed() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.c/d~e_f-g",
            "/.well-known/acme-challenge/x",
            "/...",
            "/..a/.b",
            "/a;v=1/b:c@d,e=f",
            "/caf%C3%A9",
            "/%25",
        ] {
            let found = normalise(path.as_bytes()).unwrap();
            assert!(matches!(found, Cow::Borrowed(_)), "{path}");
            assert_eq!(found, path);
        }
    }

    #[test]
    fn rfc3986_6_2_2_a_path_is_brought_into_its_normal_form() {
        for (path, expected) in [
            ("//", "/"),
            ("/a//b///c", "/a/b/c"),
            ("/a//", "/a/"),
            ("/.", "/"),
            ("/./a", "/a"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/../../c", "/c"),
            ("/a//../b", "/b"),
            ("/mid/content=5/../6", "/mid/6"),
            ("/%41%7e%2d", "/A~-"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/%3a%3A", "/%3A%3A"),
            ("/%252e%252F", "/%252e%252F"),
            ("/é", "/%C3%A9"),
            ("/a|{b}", "/a%7C%7Bb%7D"),
        ] {
            assert_eq!(normal(path), expected, "{path}");
        }
        assert_eq!(normalise(b"/\xFF").unwrap(), "/%FF");
    }

    #[test]
    fn a_path_that_can_be_read_in_two_ways_is_refused() {
        for path in [
            "",
            "*",
            "a",
            "a/b",
            "/..",
            "/../a",
            "/a/../..",
            "/%2e%2e/a",
            "/a/..//..",
            "/a%2Fb",
            "/a%2fb",
            "/a%5Cb",
            "/a%5cb",
            "/a%00",
            "/a\\b",
            "/%",
            "/%4",
            "/%zz",
            "/%+1",
            "/a%4/b",
            "/a b",
            "/a\tb",
            "/a\r\nb",
            "/a\0b",
            "/\x7F",
            "/a#b",
            "/a?b",
            "/..;/a",
            "/a/..;x/b",
            "/.;",
            "/a/%2e%2e;x",
            "/..%3Bx",
            "/%2e%3bx",
        ] {
            assert!(normalise(path.as_bytes()).is_err(), "{path:?}");
        }
    }

    /// Bytes that are likely to meet in the ways that matter.
    fn tricky() -> impl Strategy<Value = Vec<u8>> {
        const PARTS: [&[u8]; 14] = [
            b"/", b".", b"..", b";", b"%2e", b"%2E", b"%", b"%25", b"2e", b"%41", b"%3b", b"a",
            b"\xC3", b"{",
        ];
        let part = proptest::sample::select(&PARTS);
        proptest::collection::vec(part, 0..16)
            .prop_map(|parts| [&b"/"[..], &parts.concat()].concat())
    }

    fn holds(path: &[u8]) {
        let Ok(once) = normalise(path) else { return };
        let twice = normalise(once.as_bytes()).unwrap();
        assert!(matches!(twice, Cow::Borrowed(_)), "{once} is not normal");
        assert_eq!(once, twice);
        assert!(once.starts_with('/') && once.is_ascii());
        let closed = format!("{once}/");
        for refused in ["/./", "/../"] {
            assert!(!closed.contains(refused), "{once} has {refused}");
        }
        for refused in ["//", "%2e", "%2E", "%2F", "%5C", "%00", "/..;", "/.;", "\\"] {
            assert!(!once.contains(refused), "{once} has {refused}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_normal_form_of_tricky_bytes_is_its_own_normal_form(path in tricky()) {
            holds(&path);
        }

        #[test]
        fn the_normal_form_of_any_bytes_is_its_own_normal_form(
            path in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            holds(&path);
            holds(&[b"/", &path[..]].concat());
        }
    }
}
