//! Which bytes may stand in a quoted field of a log line as they are?

/// Printable ASCII but the quote and the backslash.
pub(super) const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Whether that holds for all of `bytes`.
///
/// It nearly always does, so nothing looks for an early exit, and the compiler gets pieces of a fixed size, of which it
/// looks at all bytes at once; the last piece may overlap the one before.
pub(super) fn all_plain(bytes: &[u8]) -> bool {
    let (pieces, _) = bytes.as_chunks::<16>();
    let whole = pieces.iter().fold(true, |all, piece| all & is_piece(piece));
    let last = match (bytes.last_chunk::<16>(), bytes.first_chunk::<8>()) {
        (Some(last), _) => is_piece(last),
        (None, Some(first)) => is_piece(first) & bytes.last_chunk::<8>().is_some_and(is_piece),
        (None, None) => bytes.iter().fold(true, |all, &byte| all & is_plain(byte)),
    };
    whole & last
}

fn is_piece<const N: usize>(bytes: &[u8; N]) -> bool {
    bytes.iter().fold(true, |all, &byte| all & is_plain(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_quotes_backslashes_and_all_above_ascii_are_not_plain() {
        let others = (0..=u8::MAX).filter(|&byte| !is_plain(byte));
        let expected = (0..=0x1f).chain([b'"', b'\\']).chain(0x7f..=u8::MAX);
        assert!(others.eq(expected));
    }

    #[test]
    fn one_byte_that_is_not_plain_is_found_wherever_it_stands() {
        for length in 0..=100 {
            let mut bytes = vec![b'a'; length];
            assert!(all_plain(&bytes));
            for at in 0..length {
                bytes[at] = b'\n';
                assert!(!all_plain(&bytes), "{at} of {length}");
                bytes[at] = b'a';
            }
        }
    }
}
