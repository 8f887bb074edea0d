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

use std::sync::Arc;

use memchr::{memchr, memchr2, memrchr};

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
        // Nearly every target: a path.
        let path = match address {
            [b'/', b'/', ..] => 0,
            [b'/', ..] => query.unwrap_or(address.len()),
            _ => 0,
        };
        let mut shown = 0;
        if path > 0 {
            put(&address[..path]);
            shown = path;
        }
        let mut put = |piece| without_users(piece, &mut put);
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
                let length = memchr(b'&', &address[end..]);
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

/// Gives `piece` of an address to `put` without the user and password before a host.
fn without_users<'a>(piece: &'a [u8], put: &mut impl FnMut(&'a [u8])) {
    let mut shown = 0;
    let mut host = match piece {
        [b'/', b'/', ..] => Some(2),
        _ => host_after(piece, 0),
    };
    while let Some(start) = host {
        // What ends it by RFC 3986, what some take for a slash, and what stands around an address in a field.
        let ends = |byte: &u8| {
            matches!(
                byte,
                b'/' | b'\\' | b'?' | b'#' | b'<' | b'>' | b'"' | ..=b' '
            )
        };
        let authority = piece[start..].split(ends).next().unwrap_or_default();
        if let Some(length) = memrchr(b'@', authority) {
            put(&piece[shown..start]);
            put(STARS);
            shown = start + length;
        }
        host = host_after(piece, start);
    }
    if shown < piece.len() {
        put(&piece[shown..]);
    }
}

/// Where the next host is, with a user before it or without.
fn host_after(piece: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr(b':', &piece[at..])? + 1;
        if piece[at..].starts_with(b"//") {
            return Some(at + 2);
        }
    }
}
