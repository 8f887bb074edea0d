//! Which content codings does a client accept, whatever way it says so?

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use super::directives::is_token;

/// The codings that have a bit of their own in the normal form. One more is for all that are not listed.
const KNOWN: [&str; 4] = ["gzip", "br", "zstd", "identity"];
/// How many others are told apart. A list with more stays as it is.
const MOST_OTHERS: usize = 16;

/// Appends the set of codings that the request accepts (RFC 9110 §12.5.3): those for which an endpoint may choose the
/// same variant. How much each is liked is left out, as any of them will do. False if the field can't be read; what was
/// appended until then counts for nothing.
pub(super) fn normal_form(asked: &HeaderMap, out: &mut Vec<u8>) -> bool {
    let mut known: [Option<bool>; KNOWN.len()] = [None; KNOWN.len()];
    let mut others: Vec<(String, bool)> = Vec::new();
    let mut rest = None;
    for line in asked.get_all(ACCEPT_ENCODING) {
        for element in line.as_bytes().split(|byte| *byte == b',') {
            let element = element.trim_ascii();
            if element.is_empty() {
                continue;
            }
            let Some((coding, accepted)) = read(element) else {
                return false;
            };
            let place = match coding {
                "*" => &mut rest,
                _ => {
                    let coding = alias(coding);
                    match KNOWN
                        .iter()
                        .position(|name| coding.eq_ignore_ascii_case(name))
                    {
                        Some(bit) => &mut known[bit],
                        None if others.len() == MOST_OTHERS => return false,
                        None => {
                            others.push((coding.to_ascii_lowercase(), accepted));
                            continue;
                        }
                    }
                }
            };
            // Twice the same coding, and not the same way: who knows which one counts.
            if place.replace(accepted).is_some_and(|was| was != accepted) {
                return false;
            }
        }
    }
    let by_default = rest.unwrap_or(false);
    let mut set = u8::from(by_default) << KNOWN.len();
    for (bit, accepted) in known.iter().enumerate() {
        // No coding at all is accepted unless the request says otherwise.
        let unsaid = by_default || (KNOWN[bit] == "identity" && rest.is_none());
        set |= u8::from(accepted.unwrap_or(unsaid)) << bit;
    }
    out.push(set);
    others.sort_unstable();
    others.dedup();
    if others.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return false;
    }
    for (coding, accepted) in others {
        if accepted != by_default {
            out.extend_from_slice(coding.as_bytes());
            out.push(b',');
        }
    }
    true
}

/// RFC 9110 §8.4.1.
fn alias(coding: &str) -> &str {
    if coding.eq_ignore_ascii_case("x-gzip") {
        "gzip"
    } else if coding.eq_ignore_ascii_case("x-compress") {
        "compress"
    } else {
        coding
    }
}

/// A coding, and whether its weight is more than nothing.
fn read(element: &[u8]) -> Option<(&str, bool)> {
    let element = std::str::from_utf8(element).ok()?;
    let (coding, weight) = match element.split_once(';') {
        None => (element, None),
        Some((coding, weight)) => (coding.trim_ascii_end(), Some(weight.trim_ascii_start())),
    };
    if coding.is_empty() || !coding.bytes().all(is_token) {
        return None;
    }
    let accepted = match weight {
        None => true,
        Some(weight) => {
            let weight = weight
                .strip_prefix("q=")
                .or_else(|| weight.strip_prefix("Q="))?;
            is_more_than_nothing(weight.as_bytes())?
        }
    };
    Some((coding, accepted))
}

/// A weight (RFC 9110 §12.4.2): none if it is malformed.
fn is_more_than_nothing(weight: &[u8]) -> Option<bool> {
    let (whole, thousandths) = match weight {
        [whole] => (whole, &[][..]),
        [whole, b'.', thousandths @ ..] if thousandths.len() <= 3 => (whole, thousandths),
        _ => return None,
    };
    match whole {
        b'0' if thousandths.iter().all(u8::is_ascii_digit) => {
            Some(thousandths.iter().any(|digit| *digit != b'0'))
        }
        b'1' if thousandths.iter().all(|digit| *digit == b'0') => Some(true),
        _ => None,
    }
}
