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
    let mut named = pairs(query).filter(|(key, _)| equals(key.as_bytes(), name));
    named.next().map(|(_, value)| value.as_bytes())
}

/// The values of all pairs named `name`, decoded.
pub fn values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = Cow<'q, [u8]>> {
    pairs(query)
        .filter(move |(key, _)| equals(key.as_bytes(), name))
        .map(|(_, value)| decode(value.as_bytes()))
}

/// The query without the pairs named `name`; `None` if there is none of them.
pub fn without(query: &str, name: &str) -> Option<String> {
    let is_named = |pair: &&str| equals(halves(pair).0.as_bytes(), name);
    query.split('&').any(|pair| is_named(&pair)).then(|| {
        let rest: Vec<&str> = query.split('&').filter(|pair| !is_named(pair)).collect();
        rest.join("&")
    })
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(halves)
}

fn halves(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

/// The value of the first pair named `name`, decoded; what is not UTF-8 in it is replaced.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    let value = decode(first(query, name)?);
    Some(String::from_utf8_lossy(&value).into_owned())
}

/// The form in which a value stands in a query.
pub fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The bytes that `encoded` stands for, one by one.
pub fn decoded(encoded: &[u8]) -> impl Iterator<Item = u8> {
    Decoded(encoded)
}

/// Whether `encoded` stands for `text`.
pub(super) fn equals(encoded: &[u8], text: &str) -> bool {
    Decoded(encoded).eq(text.bytes())
}

/// What `encoded` stands for; borrowed when it stands for itself.
pub fn decode(encoded: &[u8]) -> Cow<'_, [u8]> {
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
    fn pairs_of_a_name_are_found_and_left_out_however_they_are_encoded() {
        let query = "a=1&k%65y=x&b=&key&key=y+z&&c";
        let found: Vec<_> = values(query, "key").collect();
        assert_eq!(found, [&b"x"[..], b"", b"y z"]);
        assert_eq!(without(query, "key").as_deref(), Some("a=1&b=&&c"));
        assert_eq!(without("key=1", "key").as_deref(), Some(""));
        assert_eq!(without(query, "ke"), None);
        assert_eq!(values("", "key").count(), 0);
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
    fn every_value_comes_back_out_of_a_query() {
        for value in ["", "a b+c&d=e%41", "[::1]:80", "unix:/run/ä.sock", "a?b#c"] {
            let query = format!("x=1&v={}&v=2", encode(value));
            assert_eq!(parameter(&query, "v").as_deref(), Some(value), "{query}");
        }
        assert_eq!(parameter("v", "v").as_deref(), Some(""));
        assert_eq!(parameter("v=%ff", "v").as_deref(), Some("\u{fffd}"));
        assert_eq!(parameter("w=1", "v"), None);
    }

    #[test]
    fn an_escape_that_is_none_stands_for_itself() {
        for text in ["%", "%4", "%zz", "a%"] {
            assert!(equals(text.as_bytes(), text));
        }
    }
}
