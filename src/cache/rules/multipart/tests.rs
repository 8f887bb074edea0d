//! Is a body in many parts what RFC 9110 §14.6 says, and as long as announced?

use proptest::prelude::*;

use super::*;

/// Everything it is made of, out of this body.
fn whole(multipart: Multipart, body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    for piece in multipart {
        match piece {
            Piece::Bytes(bytes) => whole.extend_from_slice(&bytes),
            Piece::Body(range) => {
                whole.extend_from_slice(&body[range.start as usize..range.end as usize]);
            }
        }
    }
    whole
}

#[test]
fn rfc9110_14_6_each_part_says_what_it_is_and_where_it_belongs() {
    let content_type = HeaderValue::from_static("application/pdf");
    let multipart = Multipart::new(Some(&content_type), &[8..10, 0..3], 10, 0xCAFE);
    assert_eq!(
        multipart.content_type().expect("a value"),
        "multipart/byteranges; boundary=0000000000000000000000000000cafe"
    );
    let length = multipart.len();
    let body = whole(multipart, b"0123456789");
    let expected = "--0000000000000000000000000000cafe\r\n\
        Content-Type: application/pdf\r\n\
        Content-Range: bytes 8-9/10\r\n\
        \r\n\
        89\r\n\
        --0000000000000000000000000000cafe\r\n\
        Content-Type: application/pdf\r\n\
        Content-Range: bytes 0-2/10\r\n\
        \r\n\
        012\r\n\
        --0000000000000000000000000000cafe--\r\n";
    assert_eq!(String::from_utf8(body).expect("text"), expected);
    assert_eq!(length, expected.len() as u64);
}

#[test]
fn rfc9110_15_3_7_2_parts_of_what_has_no_type_have_none() {
    let body = whole(Multipart::new(None, &[0..1, 1..2], 2, u128::MAX), b"ab");
    let expected = "--ffffffffffffffffffffffffffffffff\r\n\
        Content-Range: bytes 0-0/2\r\n\
        \r\n\
        a\r\n\
        --ffffffffffffffffffffffffffffffff\r\n\
        Content-Range: bytes 1-1/2\r\n\
        \r\n\
        b\r\n\
        --ffffffffffffffffffffffffffffffff--\r\n";
    assert_eq!(String::from_utf8(body).expect("text"), expected);
}

proptest! {
    #[test]
    fn the_length_is_known_before_anything_is_sent(
        ranges in prop::collection::vec((0..2000_u64, 1..100_u64), 0..20),
        boundary: u128,
    ) {
        let body = vec![b'x'; 2100];
        let ranges: Vec<_> = ranges.into_iter().map(|(start, length)| start..start + length).collect();
        let multipart = Multipart::new(None, &ranges, 2100, boundary);
        let length = multipart.len();
        prop_assert_eq!(whole(multipart, &body).len() as u64, length);
    }
}
