//! Which values does no line show, however a client writes the names before them?
//!
//! A query is taken apart as loosely as the most forgiving endpoint takes it: names are decoded and compared in any case,
//! and one begins after `&`, `;`, `?` and `#`. What is masked goes on to the next `&`, for whether `;` ends it nobody can
//! tell. An address inside an encoded value is a value: what stands in it is not looked at.
//!
//! Clients choose how many names there are and how long they are, so both have a bound, past which all is masked.

use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr2, memmem, memrchr};

use crate::route::query_decoded;

/// What is shown of a secret.
pub(super) const STARS: &[u8] = b"***";
/// What longer names hold is masked without a look.
const LONGEST_NAME: usize = 64;
/// What follows so many parameters is masked without a look.
const MOST_PARAMETERS: usize = 256;

/// Parameters whose values are not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    names: Box<[Pattern]>,
}

impl Mask {
    /// One for these names, in which `*` stands for anything.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        Self {
            names: names.into_iter().map(Pattern::new).collect(),
        }
    }

    /// Gives `address`, a target or what a field such as `Referer` holds, to `put` in pieces, `***` in place of what the
    /// parameters of its names hold, and of `others`, and in place of the user and password before a host.
    pub(super) fn address<'a>(
        &self,
        address: &'a [u8],
        others: &[Arc<str>],
        mut put: impl FnMut(&'a [u8]),
    ) {
        let query = memchr2(b'?', b'#', address);
        let mut shown = 0;
        if let Some(user) = userinfo(&address[..query.unwrap_or(address.len())]) {
            put(&address[..user.start]);
            put(STARS);
            shown = user.end;
        }
        let Some(query) = query.filter(|_| !self.names.is_empty() || !others.is_empty()) else {
            return put(&address[shown..]);
        };
        let mut at = query + 1;
        let mut seen = 0;
        while at < address.len() {
            let end = address[at..]
                .iter()
                .position(|byte| matches!(byte, b'=' | b'&' | b';' | b'?' | b'#'));
            let Some(end) = end.map(|length| at + length) else {
                break;
            };
            if address[end] == b'=' {
                seen += 1;
            }
            if seen > MOST_PARAMETERS {
                put(&address[shown..at]);
                return put(STARS);
            }
            if address[end] == b'=' && self.has(&address[at..end], others) {
                put(&address[shown..=end]);
                put(STARS);
                let length = memchr::memchr(b'&', &address[end..]);
                shown = length.map_or(address.len(), |length| end + length);
                at = shown + 1;
            } else if address[end] == b'=' {
                // On to the next name.
                let length = address[end..]
                    .iter()
                    .position(|byte| matches!(byte, b'&' | b';' | b'?' | b'#'));
                at = length.map_or(address.len(), |length| end + length + 1);
            } else {
                at = end + 1;
            }
        }
        put(&address[shown..]);
    }

    /// Whether the encoded `name` is one of its names or of `others`, or so long that nobody looks.
    fn has(&self, name: &[u8], others: &[Arc<str>]) -> bool {
        let mut place = [0; LONGEST_NAME];
        let mut length = 0;
        for letter in query_decoded(name).map(|byte| byte.to_ascii_lowercase()) {
            let Some(free) = place.get_mut(length) else {
                return true;
            };
            *free = letter;
            length += 1;
        }
        let name = &place[..length];
        let parts = |byte: &u8| matches!(byte, b'[' | b']' | b'.');
        self.is_one(name)
            || name.iter().any(parts) && name.split(parts).any(|part| self.is_one(part))
            || others
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
    }

    /// Whether `name`, in small letters, is one of its names.
    fn is_one(&self, name: &[u8]) -> bool {
        let there = letters(name);
        let mut names = self.names.iter();
        names.any(|pattern| pattern.letters & !there == 0 && pattern.is(name))
    }
}

/// The bytes that are there, as bits. Some share one.
fn letters(name: &[u8]) -> u32 {
    name.iter().fold(0, |there, byte| there | 1 << (byte & 31))
}

/// Where in what stands before a query a user and a password are.
fn userinfo(address: &[u8]) -> Option<Range<usize>> {
    // Nearly every target: a path.
    if address.first() == Some(&b'/') {
        return None;
    }
    let start = memmem::find(address, b"://")? + 3;
    let authority = &address[start..];
    let end = memchr2(b'/', b'\\', authority).unwrap_or(authority.len());
    let length = memrchr(b'@', &authority[..end])?;
    Some(start..start + length)
}

/// A name in which `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What stands before the first `*`, in small letters; all of it, if there is none.
    start: Box<[u8]>,
    rest: Option<Rest>,
    /// What every such name has: most names lack some of it, and need not be compared.
    letters: u32,
}

/// What there is behind the first `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rest {
    /// What stands between each two `*`.
    middle: Box<[Box<[u8]>]>,
    /// What stands behind the last one.
    end: Box<[u8]>,
}

impl Pattern {
    /// Reads one.
    pub fn new(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let letters = name
            .split('*')
            .fold(0, |all, part| all | letters(part.as_bytes()));
        let mut parts = name.split('*').map(|part| Box::from(part.as_bytes()));
        let start = parts.next().unwrap_or_default();
        let mut rest: Vec<Box<[u8]>> = parts.collect();
        let rest = rest.pop().map(|end| Rest {
            middle: rest.into_boxed_slice(),
            end,
        });
        Self {
            start,
            rest,
            letters,
        }
    }

    /// Whether `name`, in small letters, is such a name.
    pub fn is(&self, name: &[u8]) -> bool {
        let Some(Rest { middle, end }) = &self.rest else {
            return *name == *self.start;
        };
        let Some(name) = name.strip_prefix(&*self.start) else {
            return false;
        };
        let Some(mut name) = name.strip_suffix(&**end) else {
            return false;
        };
        // The first place that fits leaves most room for the others.
        middle.iter().all(|part| match memmem::find(name, part) {
            Some(at) => {
                name = &name[at + part.len()..];
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(names: &[&str], others: &[&str], address: &str) -> String {
        let others: Vec<Arc<str>> = others.iter().map(|name| Arc::from(*name)).collect();
        let mut shown = Vec::new();
        let mask = Mask::new(names.iter().copied());
        mask.address(address.as_bytes(), &others, |piece| {
            shown.extend_from_slice(piece);
        });
        String::from_utf8(shown).expect("it was text")
    }

    #[test]
    fn values_are_masked_however_their_names_are_written() {
        for (address, shown) in [
            ("/a?token=1&b=2", "/a?token=***&b=2"),
            ("/a?b=2&token=1", "/a?b=2&token=***"),
            ("/a?TOKEN=1&%74%6Fken=2", "/a?TOKEN=***&%74%6Fken=***"),
            ("/a?%54oken=1", "/a?%54oken=***"),
            ("/a?token==1", "/a?token=***"),
            ("/a?token=", "/a?token=***"),
            ("/a?token", "/a?token"),
            ("/a?tokens=1&atoken=2", "/a?tokens=1&atoken=2"),
            (
                "/a?x_key=1&a%5Fkey=2&key=3",
                "/a?x_key=***&a%5Fkey=***&key=3",
            ),
            ("/a?b=1;token=2", "/a?b=1;token=***"),
            ("/a?token=1;2&b=3", "/a?token=***&b=3"),
            ("/a?b=/c?token=1", "/a?b=/c?token=***"),
            ("http://a/#token=1", "http://a/#token=***"),
            ("/a?b#c&token=1", "/a?b#c&token=***"),
            ("/a?=1&&=&token=1&", "/a?=1&&=&token=***&"),
            ("/token=1", "/token=1"),
            ("/a?", "/a?"),
            ("", ""),
        ] {
            assert_eq!(
                masked(&["Token", "*_key"], &[], address),
                shown,
                "{address}"
            );
        }
    }

    #[test]
    fn the_names_of_routes_are_masked_too() {
        assert_eq!(masked(&[], &["K"], "/?k=1&l=2"), "/?k=***&l=2");
        assert_eq!(masked(&["a"], &["K"], "/?k=1&a=2"), "/?k=***&a=***");
        assert_eq!(masked(&[], &[], "/?k=1&a=2"), "/?k=1&a=2");
    }

    #[test]
    fn what_a_long_name_holds_is_masked_without_a_look() {
        let name = "a".repeat(LONGEST_NAME);
        for (name, shown) in [
            (name.clone(), "1"),
            (name.clone() + "a", "***"),
            (name.repeat(100), "***"),
            ("%61".repeat(LONGEST_NAME), "1"),
            ("%61".repeat(LONGEST_NAME) + "%61", "***"),
        ] {
            let address = format!("/?{name}=1&b=2");
            let expected = format!("/?{name}={shown}&b=2");
            assert_eq!(masked(&["token"], &[], &address), expected);
        }
    }

    #[test]
    fn what_follows_many_parameters_is_masked_without_a_look() {
        let many = |count: usize| format!("/?{}", "a=b&".repeat(count));
        let exactly = many(MOST_PARAMETERS);
        assert_eq!(masked(&["token"], &[], &exactly), exactly);
        for more in ["c=d", "token=1&c=d", "c=d&c=d", "&&c;d&token=1"] {
            let shown = masked(&["token"], &[], &format!("{exactly}{more}"));
            let stars = shown.strip_prefix(&*exactly).expect("the first ones");
            assert!(stars.ends_with("***") && !stars.contains('='), "{stars}");
        }
        // Their number is what counts, not what they are.
        let secret = format!("/?{}c=d", "token=1&".repeat(MOST_PARAMETERS));
        assert!(masked(&["token"], &[], &secret).ends_with("&token=***&***"));
    }

    #[test]
    fn a_part_of_a_name_is_a_name() {
        for (address, shown) in [
            ("/?a[token]=1", "/?a[token]=***"),
            ("/?a%5Btoken%5D=1", "/?a%5Btoken%5D=***"),
            ("/?token[]=1", "/?token[]=***"),
            ("/?a.token=1", "/?a.token=***"),
            ("/?a[b.token][c]=1", "/?a[b.token][c]=***"),
            ("/?a[my_key]=1", "/?a[my_key]=***"),
            ("/?a[tokens]=1", "/?a[tokens]=1"),
            ("/?a-token=1", "/?a-token=1"),
        ] {
            assert_eq!(masked(&["token", "*_key"], &[], address), shown);
        }
    }

    #[test]
    fn user_and_password_before_a_host_are_masked() {
        for (address, shown) in [
            ("http://user:hunter2@a/b", "http://***@a/b"),
            ("http://hunter2@a", "http://***@a"),
            ("http://u:hunter@2@a/b@c?d@e", "http://***@a/b@c?d@e"),
            ("http://u:hunter2@a?token=1", "http://***@a?token=***"),
            ("<http://u:hunter2@a/>; rel=a", "<http://***@a/>; rel=a"),
            ("http://a/b@c", "http://a/b@c"),
            ("http://a?b@c", "http://a?b@c"),
            ("/a://b@c", "/a://b@c"),
            ("a@b", "a@b"),
        ] {
            assert_eq!(masked(&["token"], &[], address), shown);
            assert_eq!(masked(&[], &["token"], address), shown);
        }
        assert_eq!(masked(&[], &[], "http://u:hunter2@a/"), "http://***@a/");
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, is) in [
            ("*", "", true),
            ("*", "a", true),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("*ab*ab*", "xabab", true),
            ("*ab*ab*", "xabyb", false),
            ("**a**", "bab", true),
            ("a", "ab", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).is(name.as_bytes()),
                is,
                "{pattern} {name}"
            );
        }
    }

    fn encoded(text: &str, which: u64) -> String {
        let letters = text
            .bytes()
            .enumerate()
            .map(|(index, byte)| match which >> index & 3 {
                0 => format!("%{byte:02x}"),
                1 => format!("%{byte:02X}"),
                2 => char::from(byte).to_ascii_uppercase().to_string(),
                _ => char::from(byte).to_string(),
            });
        letters.collect()
    }

    proptest! {
        #[test]
        fn no_encoding_brings_a_secret_through(
            which in any::<u64>(),
            before in "[ -~]{0,20}",
            after in "[ -~]{0,20}",
        ) {
            let name = encoded("api_token", which);
            let address = format!("/a?{before}&{name}=hunter2{after}");
            let shown = masked(&["*token"], &[], &address);
            prop_assert!(!shown.contains("hunter2"), "{}", shown);
        }

        #[test]
        fn without_a_name_to_mask_an_address_stays_as_it_is(mut address in any::<Vec<u8>>()) {
            address.insert(0, b'/');
            let mut shown = Vec::new();
            Mask::new(["token\u{fffd}"]).address(&address, &[], |piece| shown.extend_from_slice(piece));
            prop_assert_eq!(shown, address);
        }
    }
}
