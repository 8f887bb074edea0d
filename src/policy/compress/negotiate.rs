//! Which coding does a request want most, of those that can be given? `Accept-Encoding`, RFC 9110 §12.5.3.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use super::Coding;

/// The weight of a member that says none, in thousandths.
const FULL: u16 = 1_000;

/// The coding of `offered` that the request ranks highest; of those it ranks alike the first. `None` for the body as it is:
/// it takes none of them, or wants it uncoded more. A request that refuses that too (`identity;q=0`) gets it nevertheless:
/// an answer that may not be readable is better than 406 (RFC 9110 §12.5.3 leaves the choice).
pub fn negotiate(asked: &HeaderMap, offered: impl Iterator<Item = Coding>) -> Option<Coding> {
    let wanted = Wanted::read(asked);
    let mut best: Option<(Coding, u16)> = None;
    for coding in offered {
        let weight = wanted.weight(coding);
        if weight > best.map_or(0, |(_, most)| most) {
            best = Some((coding, weight));
        }
    }
    let (coding, weight) = best?;
    // It counts only where it is named: everyone takes it, and hardly anyone says so.
    let uncoded = wanted.identity.unwrap_or(0);
    (weight >= uncoded).then_some(coding)
}

/// The weights of what a request names; `None` for what it does not.
#[derive(Debug, Default)]
struct Wanted {
    codings: [Option<u16>; Coding::ALL.len()],
    identity: Option<u16>,
    any: Option<u16>,
}

impl Wanted {
    fn read(asked: &HeaderMap) -> Self {
        let mut wanted = Self::default();
        for line in asked.get_all(ACCEPT_ENCODING) {
            for member in line.as_bytes().split(|byte| *byte == b',') {
                wanted.add(member);
            }
        }
        wanted
    }

    fn add(&mut self, member: &[u8]) {
        let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let Some(name) = parts.next().filter(|name| !name.is_empty()) else {
            return;
        };
        let place = match Coding::named(name) {
            Some(coding) => &mut self.codings[coding as usize],
            None if name == b"*" => &mut self.any,
            None if name.eq_ignore_ascii_case(b"identity") => &mut self.identity,
            None => return,
        };
        let mut weight = FULL;
        for parameter in parts {
            if let Some((b'q' | b'Q', rest)) = parameter.split_first()
                && let Some((b'=', value)) = rest.trim_ascii_start().split_first()
            {
                // What can't be read is no consent.
                weight = thousandths(value.trim_ascii()).unwrap_or(0);
            }
        }
        // Named twice, by an alias perhaps: the more cautious word.
        *place = Some(place.map_or(weight, |before| before.min(weight)));
    }

    fn weight(&self, coding: Coding) -> u16 {
        self.codings[coding as usize].or(self.any).unwrap_or(0)
    }
}

/// A weight (RFC 9110 §12.4.2): `0` or `1`, with up to three decimals.
fn thousandths(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut weight: u16 = match whole {
        b'0' => 0,
        b'1' => FULL,
        _ => return None,
    };
    let mut worth = 100;
    for digit in decimals {
        if !digit.is_ascii_digit() {
            return None;
        }
        weight += u16::from(digit - b'0') * worth;
        worth /= 10;
    }
    (weight <= FULL).then_some(weight)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn chosen(lines: &[&str]) -> Option<Coding> {
        let mut asked = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_str(line).expect("a value");
            asked.append(ACCEPT_ENCODING, value);
        }
        let offered = [Coding::Zstd, Coding::Br, Coding::Gzip];
        negotiate(&asked, offered.into_iter())
    }

    #[test]
    fn rfc9110_12_5_3_the_coding_ranked_highest_is_chosen() {
        use Coding::{Br, Gzip, Zstd};
        for (line, want) in [
            ("gzip", Some(Gzip)),
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("gzip, deflate, br", Some(Br)),
            ("GZIP", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("X-GZip;q=0.5", Some(Gzip)),
            ("gzip;q=1.0, br;q=0.9, zstd;q=0.8", Some(Gzip)),
            ("gzip;q=0.5, br;q=0.501", Some(Br)),
            ("gzip;q=0", None),
            ("gzip;q=0.000", None),
            ("gzip;q=0.001", Some(Gzip)),
            ("deflate", None),
            ("", None),
            (",, ,", None),
            ("identity", None),
            ("*", Some(Zstd)),
            ("*;q=0", None),
            ("*;q=0, gzip", Some(Gzip)),
            ("*, zstd;q=0", Some(Br)),
            ("gzip, *;q=0.1", Some(Gzip)),
            ("identity;q=1, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=1", Some(Gzip)),
            ("identity, gzip", Some(Gzip)),
            ("identity;q=0", None),
            ("identity;q=0, deflate", None),
            ("identity;q=0, *;q=0", None),
            ("gzip ; q = 0.5 , br ; q=0.4", Some(Gzip)),
            ("br;Q=0.1, gzip;q=0.2", Some(Gzip)),
            ("gzip;level=9", Some(Gzip)),
            ("gzip;q=0, x-gzip", None),
            ("gzipped, brotli, zstandard", None),
        ] {
            assert_eq!(chosen(&[line]), want, "{line:?}");
        }
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&["gzip;q=0.1", "br"]), Some(Br));
    }

    #[test]
    fn rfc9110_12_4_2_a_weight_that_can_not_be_read_is_no_consent() {
        for weight in [
            "", "2", "1.001", "0.1234", "-1", ".5", "0,5", "1e0", "0.0x", "nan", "01",
        ] {
            assert_eq!(chosen(&[&format!("gzip;q={weight}")]), None, "{weight}");
        }
        for weight in ["1", "1.", "1.0", "1.000", "0.999", "0.5"] {
            let want = Some(Coding::Gzip);
            assert_eq!(chosen(&[&format!("gzip;q={weight}")]), want, "{weight}");
        }
    }

    #[test]
    fn of_codings_ranked_alike_the_first_offered_is_chosen() {
        let mut asked = HeaderMap::new();
        asked.insert(
            ACCEPT_ENCODING,
            HeaderValue::from_static("gzip, br;q=1.0, zstd"),
        );
        for offered in [Coding::ALL, [Coding::Gzip, Coding::Zstd, Coding::Br]] {
            assert_eq!(negotiate(&asked, offered.into_iter()), Some(offered[0]));
        }
        let only = [Coding::Br].into_iter();
        assert_eq!(negotiate(&asked, only), Some(Coding::Br));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_a_coding_is_given_only_where_it_is_named_or_any_is(
            line in "[a-z*;=q0-9., -]{0,60}",
        ) {
            if let Some(coding) = chosen(&[&line]) {
                let named = line.contains(coding.as_str()) || line.contains('*');
                prop_assert!(named, "{line:?} {coding:?}");
            }
        }

        #[test]
        fn every_weight_of_three_decimals_is_read(weight in 0_u16..=1000) {
            let text = format!("{}.{:03}", weight / 1000, weight % 1000);
            prop_assert_eq!(thousandths(text.as_bytes()), Some(weight));
        }
    }
}
