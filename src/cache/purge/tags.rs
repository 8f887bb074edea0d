//! By which tags can an object be purged?

use http::{HeaderMap, HeaderName};
use xxhash_rust::xxh3::xxh3_64;

/// How long a tag may be, in bytes. What is longer is purged by its beginning, and with all that begin so.
const LONGEST: usize = 1024;

/// How many tags of an object are hashed. One with more is purged by any tag that is looked for.
const MOST: usize = 1024;

static CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
static SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// Stands for every tag there could be.
pub(super) const ANY: u64 = 0;

/// What a tag is found by. It is stored with objects, so it is the same in each process and version.
///
/// Upper and lower case are one, as at Cloudflare; whoever tells them apart, as Fastly and Varnish do, purges more than
/// was meant and never less. Should two tags have the same hash, the same holds.
pub fn tag(name: &str) -> u64 {
    hash(name.trim().as_bytes())
}

/// The hashes of the tags in `Cache-Tag` (between commas or spaces) and in `Surrogate-Key` (between spaces), each once
/// and in order.
pub fn tags(fields: &HeaderMap) -> Box<[u64]> {
    let mut tags = Vec::new();
    let by_comma = fields.get_all(&CACHE_TAG).iter();
    let by_space = fields.get_all(&SURROGATE_KEY).iter();
    let separate = by_comma
        .map(|value| (value, true))
        .chain(by_space.map(|value| (value, false)));
    for (value, commas) in separate {
        let between = |byte: &u8| byte.is_ascii_whitespace() || (commas && *byte == b',');
        let names = value.as_bytes().split(between);
        tags.extend(names.filter(|name| !name.is_empty()).map(hash));
    }
    tags.sort_unstable();
    tags.dedup();
    if tags.len() > MOST {
        tags = vec![ANY];
    }
    tags.into()
}

fn hash(name: &[u8]) -> u64 {
    let mut lower = [0; LONGEST];
    let length = name.len().min(LONGEST);
    let lower = &mut lower[..length];
    lower.copy_from_slice(&name[..length]);
    lower.make_ascii_lowercase();
    // 0 means something else.
    xxh3_64(lower).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(lines: &[(&'static str, &'static str)]) -> Box<[u64]> {
        let lines = lines.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        tags(&lines.collect())
    }

    fn sorted(names: &[&str]) -> Box<[u64]> {
        let mut tags: Vec<u64> = names.iter().map(|name| tag(name)).collect();
        tags.sort_unstable();
        tags.into()
    }

    #[test]
    fn tags_are_read_from_every_line_of_both_fields() {
        let read = of(&[
            ("cache-tag", "a,b , c"),
            ("cache-tag", ",,d e,"),
            ("surrogate-key", "  f g\th "),
            ("surrogate-key", "a"),
        ]);
        assert_eq!(read, sorted(&["a", "b", "c", "d", "e", "f", "g", "h"]));
        assert_eq!(of(&[("x-tag", "a")]), Box::from([]));
    }

    #[test]
    fn a_comma_is_part_of_a_surrogate_key() {
        assert_eq!(of(&[("surrogate-key", "a,b")]), sorted(&["a,b"]));
    }

    #[test]
    fn case_does_not_tell_tags_apart() {
        assert_eq!(tag("Product-1"), tag("pRODUCT-1"));
        assert_ne!(tag("product-1"), tag("product-2"));
    }

    #[test]
    fn a_hash_stays_what_it_was_when_it_was_stored() {
        assert_eq!(tag("product-1"), 2_705_430_221_499_316_325);
    }

    #[test]
    fn an_object_of_very_many_tags_has_every_tag() {
        let names: Vec<String> = (0..=MOST).map(|number| format!("t{number}")).collect();
        let value = HeaderValue::from_str(&names.join(",")).expect("a value");
        let fields = HeaderMap::from_iter([(CACHE_TAG.clone(), value)]);
        assert_eq!(*tags(&fields), [ANY]);
    }

    #[test]
    fn a_very_long_tag_goes_by_its_beginning() {
        let long = "x".repeat(LONGEST);
        assert_eq!(tag(&long), tag(&format!("{long}y")));
    }
}
