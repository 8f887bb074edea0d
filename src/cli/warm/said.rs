//! What did the cache nearest to us say of an answer?

use http::HeaderMap;

/// The cache's own field (RFC 9211).
const CACHE_STATUS: &str = "cache-status";

/// What a cache said, without what is another for each answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// It had it: its parameters.
    Hit(String),
    /// It had to ask: its parameters.
    Forwarded(String),
    /// Nothing: no cache was asked.
    Nothing,
}

impl Said {
    /// The words of the cache that was asked first: the last member of the list (RFC 9211 §2).
    pub fn of(fields: &HeaderMap) -> Self {
        let values = fields.get_all(CACHE_STATUS).iter();
        let last = values.filter_map(|value| value.to_str().ok()).next_back();
        let last = last.and_then(|value| split(value, ',').pop());
        let Some(member) = last.filter(|member| !member.is_empty()) else {
            return Self::Nothing;
        };
        let parameters: Vec<&str> = split(member, ';').into_iter().skip(1).collect();
        let told = parameters.iter().filter(|parameter| {
            let name = parameter.split('=').next().unwrap_or_default();
            matches!(
                name,
                "hit" | "fwd" | "fwd-status" | "stored" | "collapsed" | "detail"
            )
        });
        let told: Vec<&str> = told.copied().collect();
        match told.contains(&"hit") {
            true => Self::Hit(told.join("; ")),
            false => Self::Forwarded(told.join("; ")),
        }
    }
}

/// The parts between separators that do not stand in a quoted string (RFC 9651 §3.3.3), without spaces around them.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    for (at, byte) in text.char_indices() {
        match byte {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                parts.push(text[start..at].trim());
                start = at + byte.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn said(values: &[&'static str]) -> Said {
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(CACHE_STATUS, HeaderValue::from_static(value));
        }
        Said::of(&fields)
    }

    #[test]
    fn rfc9211_2_the_last_member_is_the_cache_nearest_to_us() {
        let forwarded = Said::Forwarded("fwd=uri-miss; stored".into());
        assert_eq!(said(&["portcullis; fwd=uri-miss; stored"]), forwarded);
        let hit = Said::Hit("hit".into());
        assert_eq!(
            said(&["inner; fwd=uri-miss", "portcullis; hit; ttl=295"]),
            hit
        );
        assert_eq!(said(&["inner;fwd=miss, portcullis;hit;ttl=-1"]), hit);
        assert_eq!(
            said(&["portcullis; hit, outer; fwd=uri-miss; stored"]),
            forwarded
        );
    }

    #[test]
    fn rfc9651_3_3_3_separators_in_quoted_strings_are_text() {
        let told = r#"fwd=bypass; detail="a, \"b\"; hit""#;
        let expected = Said::Forwarded(told.into());
        assert_eq!(
            said(&[r#""a, b"; fwd=bypass; key="x;hit"; detail="a, \"b\"; hit""#]),
            expected
        );
    }

    #[test]
    fn no_word_of_a_cache_is_nothing() {
        assert_eq!(said(&[]), Said::Nothing);
        assert_eq!(said(&[""]), Said::Nothing);
        assert_eq!(said(&["portcullis"]), Said::Forwarded(String::new()));
    }
}
