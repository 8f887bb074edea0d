//! Which bytes may stand in a quoted field of a log line as they are?

/// Printable ASCII but the quote and the backslash.
pub(super) const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Whether that holds for all of `bytes`. It nearly always does, so the loop has no early exit: that lets the compiler
/// look at many bytes at once.
pub(super) fn all_plain(bytes: &[u8]) -> bool {
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
        let mut bytes = [b'a'; 100];
        assert!(all_plain(&bytes));
        for at in 0..bytes.len() {
            bytes[at] = b'\n';
            assert!(!all_plain(&bytes));
            bytes[at] = b'a';
        }
    }
}
