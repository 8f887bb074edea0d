//! Which answers carry as many bytes as asked for?

use super::{Answer, Answered, Unusable, parse};
use crate::answer::{Content, Pages};

/// 64 KiB: a few pages fill a socket buffer, so that a large body costs few polls.
const PAGE_BYTES: usize = 64 * 1024;

/// 63 letters and a line end over and over, so that a shifted or lost byte shows.
static PAGE: [u8; PAGE_BYTES] = {
    const LINE: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";
    let mut page = [0; PAGE_BYTES];
    let mut at = 0;
    while at < PAGE_BYTES {
        page[at] = LINE[at % LINE.len()];
        at += 1;
    }
    page
};

/// The body that `/bytes/N` and `/chunked/N` answer with for N = `length`, in bytes.
#[must_use]
pub fn expected_bytes(length: usize) -> Vec<u8> {
    PAGE.iter().copied().cycle().take(length).collect()
}

/// `/bytes/N`
pub(super) fn announced(size: &str) -> Answered {
    Answer::ok(Content::Pages(pages(parse_size(size)?, true)))
}

/// `/chunked/N`
pub(super) fn chunked(size: &str) -> Answered {
    Answer::ok(Content::Pages(pages(parse_size(size)?, false)))
}

/// `length` bytes of the page, announced by `content-length` or not.
pub(super) fn pages(length: u64, announced: bool) -> Pages {
    Pages {
        page: &PAGE,
        left: length,
        announced,
    }
}

/// Reads a number of bytes with an optional binary suffix `k`, `m` or `g`.
pub(super) fn parse_size(text: &str) -> Result<u64, Unusable> {
    let (number, shift) = match text.as_bytes().last() {
        Some(b'k') => (&text[..text.len() - 1], 10),
        Some(b'm') => (&text[..text.len() - 1], 20),
        Some(b'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    parse::<u64>(number, "a number of bytes")?
        .checked_mul(1 << shift)
        .ok_or_else(|| Unusable(format!("`{text}` is too many bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_takes_binary_suffixes() {
        for (text, bytes) in [
            ("0", 0),
            ("7", 7),
            ("64k", 65_536),
            ("3m", 3 << 20),
            ("2g", 2 << 30),
        ] {
            assert_eq!(parse_size(text).ok(), Some(bytes), "{text}");
        }
    }

    #[test]
    fn a_size_that_is_none_or_too_large_is_refused() {
        for text in ["", "k", "-1", "1t", "é", "18446744073709551615k"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_pages_are_the_expected_bytes() {
        let length = PAGE_BYTES * 2 + 5;
        let sent: Vec<u8> = pages(length as u64, true).flatten().collect();
        assert_eq!(sent, expected_bytes(length));
    }
}
