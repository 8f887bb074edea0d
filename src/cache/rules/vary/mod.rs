//! Which requests get the same variant of a response?

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::codings;

/// By what a response says it varies (RFC 9110 §12.5.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vary {
    /// It does not.
    None,
    /// By more than the request's fields, or by what can't be read: no request but its own has it.
    Any,
    /// By these fields, each once, in the order of their names.
    On(Box<[HeaderName]>),
}

impl Vary {
    /// What a response's fields say.
    pub fn of(fields: &HeaderMap) -> Self {
        let mut names = Vec::new();
        for line in fields.get_all(VARY) {
            for element in line.as_bytes().split(|byte| *byte == b',') {
                let element = element.trim_ascii();
                if element.is_empty() {
                    continue;
                }
                match HeaderName::from_bytes(element) {
                    // `*` could be a field's name by its letters.
                    Ok(name) if element != b"*" => names.push(name),
                    _ => return Self::Any,
                }
            }
        }
        names.sort_unstable_by(|one, another| one.as_str().cmp(another.as_str()));
        names.dedup();
        if names.is_empty() {
            Self::None
        } else {
            Self::On(names.into())
        }
    }
}

/// What comes before the value of each field.
const ABSENT: u8 = 0;
const AS_IT_IS: u8 = 1;
const CODINGS: u8 = 2;

/// Appends what tells the variant for this request from others: of each field, that it is absent, or its value in normal
/// form with its length before it. Two requests write the same bytes for the same names only if each of these fields
/// means the same in both (RFC 9111 §4.1).
pub fn variant(names: &[HeaderName], asked: &HeaderMap, out: &mut Vec<u8>) {
    for name in names {
        let mut lines = asked.get_all(name).iter();
        let Some(first) = lines.next() else {
            out.push(ABSENT);
            continue;
        };
        let form = out.len();
        out.push(AS_IT_IS);
        out.extend_from_slice(&[0; 4]);
        let start = out.len();
        if *name == ACCEPT_ENCODING {
            if codings::normal_form(asked, out) {
                out[form] = CODINGS;
            } else {
                out.truncate(start);
                joined(first, lines, b",", squeezed, out);
            }
        } else if *name == ACCEPT_LANGUAGE {
            joined(first, lines, b",", languages, out);
        } else if *name == COOKIE {
            // What HTTP/2 may split (RFC 9113 §8.2.3) is one line in HTTP/1.
            joined(first, lines, b"; ", as_it_is, out);
        } else if *name == AUTHORIZATION {
            joined(first, lines, b",", as_it_is, out);
        } else {
            joined(first, lines, b",", squeezed, out);
        }
        // A request's head is never as long as that.
        let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
        out[form + 1..start].copy_from_slice(&length.to_le_bytes());
    }
}

/// All lines as one, each in its normal form.
fn joined<'v>(
    first: &'v HeaderValue,
    others: impl Iterator<Item = &'v HeaderValue>,
    comma: &[u8],
    normal: impl Fn(&[u8], &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    normal(first.as_bytes().trim_ascii(), out);
    for line in others {
        out.extend_from_slice(comma);
        normal(line.as_bytes().trim_ascii(), out);
    }
}

fn as_it_is(line: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(line);
}

/// Leaves out the white space around commas (RFC 9110 §5.6.1).
fn squeezed(line: &[u8], out: &mut Vec<u8>) {
    squeeze(line, b",", out);
}

/// Languages and their weights are the same in either case, with or without white space between them
/// (RFC 9110 §12.5.4). Their order may mean something.
fn languages(line: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    squeeze(line, b",;", out);
    out[start..].make_ascii_lowercase();
}

/// Leaves out the white space around these separators, where they are not quoted.
fn squeeze(line: &[u8], separators: &[u8], out: &mut Vec<u8>) {
    let (mut quoted, mut escaped) = (false, false);
    let mut after_separator = false;
    // Where white space began that means nothing if a separator comes after it.
    let mut space = None;
    for byte in line {
        if !quoted && matches!(byte, b' ' | b'\t') {
            if after_separator {
                continue;
            }
            space.get_or_insert(out.len());
        } else {
            after_separator = !quoted && separators.contains(byte);
            if let Some(start) = space.take()
                && after_separator
            {
                out.truncate(start);
            }
            if escaped {
                escaped = false;
            } else if quoted && *byte == b'\\' {
                escaped = true;
            } else if *byte == b'"' {
                quoted = !quoted;
            }
        }
        out.push(*byte);
    }
}

#[cfg(test)]
mod tests;
