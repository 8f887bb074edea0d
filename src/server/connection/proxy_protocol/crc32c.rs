//! How is the checksum of a PROXY header computed? CRC32c, a byte at a time: a header is short, and has one rarely.

/// The Castagnoli polynomial, reflected (RFC 9260, appendix A).
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The CRC32c of all `parts`, one after the other.
pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    !parts.into_iter().flatten().fold(u32::MAX, |crc, byte| {
        TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8)
    })
}

static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = divide(byte as u32);
        byte += 1;
    }
    table
};

const fn divide(mut crc: u32) -> u32 {
    let mut bit = 0;
    while bit < 8 {
        // The mask is all ones when the lowest bit is set.
        crc = (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
        bit += 1;
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9260_appendix_a_check_value() {
        assert_eq!(of([&b"1234"[..], b"56789"]), 0xe306_9283);
    }
}
