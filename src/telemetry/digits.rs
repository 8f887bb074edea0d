//! How is a number written as decimal digits without allocating?

use std::time::Duration;

/// Appends `number` in as many digits as it needs.
pub(super) fn decimal(out: &mut Vec<u8>, number: u64) {
    match u8::try_from(number) {
        // Most numbers of a line: counts, and octets of private addresses.
        Ok(digit @ 0..10) => out.push(b'0' + digit),
        _ => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
    }
}

/// Appends the last `N` digits of `number`, with zeros in front. There are at most 18 of them.
pub(super) fn padded<const N: usize>(out: &mut Vec<u8>, number: u64) {
    // One digit more stands before them, and is cut off.
    let one = const { 10_u64.pow(N as u32) };
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(&digits.format(one + number % one).as_bytes()[1..]);
}

/// Appends `duration` in seconds, cut to whole microseconds: `1.500250`.
pub(super) fn seconds(out: &mut Vec<u8>, duration: Duration) {
    decimal(out, duration.as_secs());
    out.push(b'.');
    padded::<6>(out, duration.subsec_micros().into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("digits are ASCII")
    }

    #[test]
    fn the_smallest_and_the_largest_number_are_whole() {
        assert_eq!(text(|out| decimal(out, 0)), "0");
        assert_eq!(text(|out| decimal(out, 1_090)), "1090");
        assert_eq!(text(|out| decimal(out, u64::MAX)), u64::MAX.to_string());
    }

    #[test]
    fn padding_keeps_the_width() {
        assert_eq!(text(|out| padded::<3>(out, 7)), "007");
        assert_eq!(text(|out| padded::<2>(out, 1_234)), "34");
    }

    #[test]
    fn a_duration_is_cut_to_microseconds() {
        assert_eq!(
            text(|out| seconds(out, Duration::from_nanos(1_000_001_999))),
            "1.000001"
        );
        assert_eq!(
            text(|out| seconds(out, Duration::MAX)),
            "18446744073709551615.999999"
        );
    }
}
