//! Which value does a query hold for a name?
//!
//! A query is read as a form (`application/x-www-form-urlencoded`, WHATWG URL §5.1), as nearly every
//! endpoint reads it: pairs between `&`, `+` for a space, escapes decoded in names and values, and an
//! escape that is none standing for itself. Only the first pair with a name counts (Gateway API).

use std::borrow::Cow;

use super::path::hex_byte;

/// The value of the first pair named `name`, decoded; empty for a name without `=`.
pub fn value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, [u8]>> {
    first(query, name).map(decode)
}

/// The value of the first pair named `name`, still encoded; empty for a name without `=`.
pub(super) fn first<'q>(query: &'q str, name: &str) -> Option<&'q [u8]> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        equals(key.as_bytes(), name).then_some(value.as_bytes())
    })
}

/// Whether `encoded` stands for `text`.
pub(super) fn equals(encoded: &[u8], text: &str) -> bool {
    Decoded(encoded).eq(text.bytes())
}

/// What `encoded` stands for; borrowed when it stands for itself.
pub(super) fn decode(encoded: &[u8]) -> Cow<'_, [u8]> {
    if encoded.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        Cow::Owned(Decoded(encoded).collect())
    } else {
        Cow::Borrowed(encoded)
    }
}

/// The bytes an encoded text stands for, one by one, so that comparing allocates nothing.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = match self.0 {
            [b'+', rest @ ..] => (b' ', rest),
            [b'%', high, low, after @ ..] => match hex_byte(*high, *low) {
                Some(byte) => (byte, after),
                None => (b'%', &self.0[1..]),
            },
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        self.0 = rest;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pair_with_the_name_counts() {
        assert_eq!(first("a=1&b=2&a=3", "a"), Some(&b"1"[..]));
        assert_eq!(first("a=1&b=2=3", "b"), Some(&b"2=3"[..]));
        assert_eq!(first("a&b=", "a"), Some(&b""[..]));
        assert_eq!(first("aa=1", "a"), None);
        assert_eq!(first("", "a"), None);
    }

    #[test]
    fn names_and_values_are_compared_decoded() {
        assert_eq!(first("%61%20b=1", "a b"), Some(&b"1"[..]));
        assert!(equals(b"a+b%2Bc", "a b+c"));
        assert!(equals(b"caf%c3%A9", "café"));
        assert!(!equals(b"a", "ab"));
        assert!(!equals(b"ab", "a"));
        assert_eq!(decode(b"a+b"), &b"a b"[..]);
        assert!(matches!(decode(b"ab"), Cow::Borrowed(b"ab")));
    }

    #[test]
    fn an_escape_that_is_none_stands_for_itself() {
        for text in ["%", "%4", "%zz", "a%"] {
            assert!(equals(text.as_bytes(), text));
        }
    }
}
