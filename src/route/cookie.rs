//! How are cookies read and taken out (RFC 6265)?

use http::HeaderMap;
use http::header::COOKIE;

/// The values of every cookie of this name, in the order in which they came; HTTP/2 may bring each in a line of its own
/// (RFC 9113 §8.2.3). Quotation marks are a part of the value (RFC 6265 §4.1.1): browsers send back what was set, marks and
/// all (§5.4), and nginx keeps them as well, whose choice a ring is to make.
pub fn values<'f, 'n>(
    fields: &'f HeaderMap,
    name: &'n str,
) -> impl Iterator<Item = &'f [u8]> + use<'f, 'n> {
    let lines = fields.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| value(pair, name))
}

/// A line of the field `Cookie` without the cookies of this name: `None` if it has none, an empty one if it has no
/// others. What else is in the line stays as it came.
pub fn without(line: &[u8], name: &str) -> Option<Vec<u8>> {
    let pairs = || line.split(|byte| *byte == b';');
    if !pairs().any(|pair| value(pair, name).is_some()) {
        return None;
    }
    let kept: Vec<&[u8]> = pairs().filter(|pair| value(pair, name).is_none()).collect();
    Some(kept.join(&b';').trim_ascii_start().to_vec())
}

/// The value of a pair, if it has this name.
fn value<'p>(pair: &'p [u8], name: &str) -> Option<&'p [u8]> {
    let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?;
    Some(rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn fields(lines: &[&str]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append(COOKIE, HeaderValue::from_str(line).expect("a value"));
        }
        fields
    }

    fn all<'f>(fields: &'f HeaderMap, name: &'f str) -> Vec<&'f [u8]> {
        values(fields, name).collect()
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name_in_every_line() {
        let fields = fields(&["a=1; b=2", "ab=3;b=4;  b = 5 ;B=6", "b; =7; b==8; xb=9"]);
        assert_eq!(all(&fields, "b"), [&b"2"[..], b"4", b"5", b"=8"]);
        assert_eq!(all(&fields, "a"), [b"1"]);
        assert!(all(&fields, "c").is_empty());
    }

    #[test]
    fn rfc6265_4_1_1_quotation_marks_are_a_part_of_the_value() {
        let fields = fields(&["a=\"x y\"; b=\"\";c= \"x ;d=x\""]);
        assert_eq!(all(&fields, "a"), [b"\"x y\""]);
        assert_eq!(all(&fields, "b"), [b"\"\""]);
        assert_eq!(all(&fields, "c"), [b"\"x"]);
        assert_eq!(all(&fields, "d"), [b"x\""]);
    }

    #[test]
    fn a_cookie_is_taken_out_and_the_others_stay_as_they_came() {
        let without = |line: &str| {
            let line = without(line.as_bytes(), "p")?;
            Some(String::from_utf8(line).expect("ASCII"))
        };
        assert_eq!(without("a=1; b=2"), None);
        assert_eq!(without("pp=1; b=p=2"), None);
        assert_eq!(without("p=1"), Some(String::new()));
        assert_eq!(without("p=1; p=2;p=3"), Some(String::new()));
        assert_eq!(without("p=1; b=2"), Some("b=2".to_owned()));
        assert_eq!(without("a=1; p=x; b=2"), Some("a=1; b=2".to_owned()));
        assert_eq!(without("a=1;p=x;b=2"), Some("a=1;b=2".to_owned()));
        assert_eq!(without("a=1; b=2; p=x"), Some("a=1; b=2".to_owned()));
        assert_eq!(
            without("a=\"1 , 2\"; p=\"x\"; b"),
            Some("a=\"1 , 2\"; b".to_owned())
        );
    }

    proptest! {
        #[test]
        fn whatever_cookies_come_the_others_are_the_same_after_one_is_taken_out(
            line in "([ ]?[ab=\" ,]{0,6}(=[a-c;\" ]{0,4})?;){0,8}[ab= ]{0,4}",
        ) {
            let others = |line: &[u8]| -> Vec<Vec<u8>> {
                let pairs = line.split(|byte| *byte == b';');
                let pairs = pairs.filter(|pair| value(pair, "a").is_none());
                pairs.map(|pair| pair.trim_ascii().to_vec()).filter(|pair| !pair.is_empty()).collect()
            };
            match without(line.as_bytes(), "a") {
                Some(left) => {
                    let kept = String::from_utf8(left.clone()).expect("ASCII");
                    prop_assert!(all(&fields(&[&kept]), "a").is_empty());
                    prop_assert_eq!(others(&left), others(line.as_bytes()));
                    prop_assert!(left.len() < line.len());
                }
                None => prop_assert!(all(&fields(&[&line]), "a").is_empty()),
            }
        }
    }
}
