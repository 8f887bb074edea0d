//! Is a PROXY header read as its specification says, and nothing else taken for one?

use super::*;
use proptest::prelude::*;

fn addresses(parsed: Result<Parsed, ParseError>) -> (usize, String, String) {
    match parsed {
        Ok(Parsed::Header {
            length,
            source: Some(source),
            destination: Some(destination),
        }) => (length, source.to_string(), destination.to_string()),
        other => panic!("no addresses: {other:?}"),
    }
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("a test's block is short");
    let mut bytes = V2_SIGNATURE.to_vec();
    bytes.extend([0x20 | command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(block);
    bytes
}

const INET: [u8; V2_INET] = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb];

/// A header whose checksum stands in the middle of other TLVs.
fn v2_with_checksum() -> Vec<u8> {
    let noop = [0x04, 0, 1, 0xff];
    let empty_checksum = [TLV_CRC32C, 0, 4, 0, 0, 0, 0];
    let authority = [0x02, 0, 1, b'a'];
    let mut bytes = v2(
        1,
        0x11,
        &[&INET[..], &noop, &empty_checksum, &authority].concat(),
    );
    let checksum = crc32c::of([&bytes[..]]);
    bytes[V2_FIXED + V2_INET + 7..][..4].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

#[test]
fn section_2_1_reads_addresses_and_ports_of_both_families() {
    let line = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n";
    let want = (47, "192.168.0.1:56324".into(), "192.168.0.11:443".into());
    assert_eq!(addresses(parse(line)), want);
    let line = b"PROXY TCP6 2001:db8::1 ::1 0 65535\r\n";
    let want = (36, "[2001:db8::1]:0".into(), "[::1]:65535".into());
    assert_eq!(addresses(parse(line)), want);
}

#[test]
fn section_2_1_unknown_means_the_real_address_whatever_follows() {
    assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Ok(header(15, None)));
    assert_eq!(parse(b"PROXY UNKNOWN a b\r\nx"), Ok(header(19, None)));
}

#[test]
fn section_2_1_a_line_that_is_not_exact_is_an_error() {
    for (line, error) in [
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", ParseError::LineEnd),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", ParseError::LineEnd),
        ("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", ParseError::Line),
        ("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", ParseError::Line),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", ParseError::Line),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", ParseError::Line),
        ("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", ParseError::Address),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", ParseError::Address),
        ("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", ParseError::Address),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", ParseError::Port),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", ParseError::Port),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", ParseError::Port),
    ] {
        assert_eq!(parse(line.as_bytes()), Err(error), "{line:?}");
    }
}

#[test]
fn section_2_1_a_line_has_at_most_107_bytes() {
    let line = |length: usize| {
        let mut line = b"PROXY UNKNOWN ".to_vec();
        line.resize(length - 2, b'x');
        line.extend(b"\r\n");
        line
    };
    assert_eq!(parse(&line(107)), Ok(header(107, None)));
    assert_eq!(parse(&line(108)), Err(ParseError::LineTooLong));
    assert_eq!(parse(&line(108)[..106]), Ok(Parsed::NeedMore));
    assert_eq!(parse(&line(200)[..107]), Err(ParseError::LineTooLong));
}

#[test]
fn other_protocols_are_told_apart_at_the_first_wrong_byte() {
    for other in [
        "G",
        "POST",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "PROXYX",
        "\x16\x03\x01",
        "\r\n\r\n\r",
    ] {
        assert_eq!(parse(other.as_bytes()), Ok(Parsed::NotProxy), "{other:?}");
    }
    for start in ["", "P", "PR", "PROXY", "\r\n\r\n\0"] {
        assert_eq!(parse(start.as_bytes()), Ok(Parsed::NeedMore), "{start:?}");
    }
}

#[test]
fn section_2_2_reads_addresses_of_both_internet_families() {
    let want = (28, "192.0.2.1:56324".into(), "198.51.100.2:443".into());
    assert_eq!(addresses(parse(&v2(1, 0x11, &INET))), want);
    let mut block = [0; V2_INET6];
    (block[0], block[15], block[31], block[33], block[35]) = (0x20, 1, 2, 80, 90);
    let want = (52, "[2000::1]:80".into(), "[::2]:90".into());
    assert_eq!(addresses(parse(&v2(1, 0x21, &block))), want);
}

#[test]
fn section_2_2_local_unspec_and_unix_mean_the_real_address() {
    assert_eq!(parse(&v2(0, 0xff, b"any")), Ok(header(19, None)));
    assert_eq!(parse(&v2(1, 0x00, b"any")), Ok(header(19, None)));
    assert_eq!(parse(&v2(1, 0x31, &[0; V2_UNIX])), Ok(header(232, None)));
}

#[test]
fn section_2_2_reserved_values_and_wrong_lengths_are_errors() {
    let mut version = v2(1, 0x11, &INET);
    version[12] = 0x31;
    for (bytes, error) in [
        (version, ParseError::Version(3)),
        (v2(2, 0x11, &INET), ParseError::Command(2)),
        (v2(1, 0x41, &INET), ParseError::Family(0x41)),
        (v2(1, 0x13, &INET), ParseError::Family(0x13)),
        (v2(1, 0x11, &INET[..11]), ParseError::TooShort(11)),
        (v2(1, 0x21, &INET), ParseError::TooShort(12)),
        (v2(1, 0x31, &INET), ParseError::TooShort(12)),
        (v2(1, 0x11, &[0; 4081]), ParseError::TooLong(4097)),
        (v2(1, 0x11, &[&INET[..], &[4, 0]].concat()), ParseError::Tlv),
        (
            v2(1, 0x11, &[&INET[..], &[4, 0, 2, 0]].concat()),
            ParseError::Tlv,
        ),
        (
            v2(1, 0x11, &[&INET[..], &[TLV_CRC32C, 0, 0]].concat()),
            ParseError::Tlv,
        ),
    ] {
        assert_eq!(parse(&bytes), Err(error), "{bytes:?}");
    }
}

#[test]
fn section_2_2_3_a_checksum_is_verified() {
    let mut bytes = v2_with_checksum();
    let want = (
        bytes.len(),
        "192.0.2.1:56324".into(),
        "198.51.100.2:443".into(),
    );
    assert_eq!(addresses(parse(&bytes)), want);
    bytes[V2_FIXED] ^= 1;
    assert_eq!(parse(&bytes), Err(ParseError::Checksum));
}

/// Bytes that get past the first checks often enough to matter.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let tail = || proptest::collection::vec(any::<u8>(), 0..300);
    let text = "(TCP4|TCP6|UNKNOWN)( [0-9a-f.:]{0,12}){0,5}(\r\n|\r|\n| )?[ -~\r\n]{0,120}";
    prop_oneof![
        tail(),
        text.prop_map(|line| [V1_PREFIX, line.as_bytes()].concat()),
        tail().prop_map(|tail| [V2_SIGNATURE, &tail].concat()),
        (0u8..3, 0u8..0x40, tail(), tail()).prop_map(|(command, family, block, rest)| [
            v2(command, family, &block),
            rest
        ]
        .concat()),
        tail().prop_map(|rest| [v2_with_checksum(), rest].concat()),
    ]
}

proptest! {
    #[test]
    fn never_panics_and_answers_the_same_however_the_bytes_are_cut(bytes in likely()) {
        let whole = parse(&bytes);
        for cut in 0..bytes.len() {
            let part = parse(&bytes[..cut]);
            prop_assert!(part == Ok(Parsed::NeedMore) || part == whole, "{cut}: {part:?} {whole:?}");
        }
        if let Ok(Parsed::Header { length, .. }) = whole {
            prop_assert!(length <= bytes.len().min(MAX_HEADER));
            prop_assert_eq!(parse(&bytes[..length]), whole);
        }
    }
}
