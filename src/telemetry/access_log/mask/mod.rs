//! Which values does no line show, however a client writes the names before them?
//!
//! A query is taken apart as loosely as the most forgiving endpoint takes it: names are decoded and compared in any case,
//! and one begins after `&`, `;`, `?` and `#`. What is masked goes on to the next `&`, for whether `;` ends it nobody can
//! tell. An address inside an encoded value is a value: what stands in it is not looked at.
//!
//! Clients choose how many names there are and how long they are, so both have a bound, past which all is masked.

mod pattern;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr2, memmem, memrchr};

use crate::route::query_decoded;
use pattern::letters;

pub use pattern::Pattern;

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
