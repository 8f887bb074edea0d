//! Does a request that has the right host and path also have the right method, fields and query?

use http::header::{COOKIE, GetAll, HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use super::query;
use super::table::Request;
use super::whole_regex::WholeRegex;

/// What a header or query matcher asks of a value. Comparison is by byte and in the case written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueMatch {
    /// The whole value is this text.
    Exact(String),
    /// The regex matches the whole value.
    Regex(WholeRegex),
    /// There is a value, be it empty.
    Present,
}

impl ValueMatch {
    /// Whether every value `other` takes is certain to be taken by `self` too.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Present, _) => true,
            (Self::Regex(regex), Self::Exact(text)) => regex.is_match(text.as_bytes()),
            _ => self == other,
        }
    }
}

/// What a route asks of a header field.
///
/// A field on several lines is one value, the lines joined by `, ` (RFC 9110 §5.3), or by `; ` for
/// `Cookie` (RFC 9113 §8.2.3): how a sender splits its lines must not change the route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderMatch {
    /// The field's name.
    pub name: HeaderName,
    /// What its value must be.
    pub value: ValueMatch,
}

impl HeaderMatch {
    fn matches(&self, headers: &HeaderMap) -> bool {
        match &self.value {
            ValueMatch::Present => headers.contains_key(&self.name),
            ValueMatch::Exact(text) => is_joined(
                &headers.get_all(&self.name),
                self.separator(),
                text.as_bytes(),
            ),
            ValueMatch::Regex(regex) => {
                let mut lines = headers.get_all(&self.name).iter();
                match (lines.next(), lines.next()) {
                    (None, _) => false,
                    (Some(line), None) => regex.is_match(line.as_bytes()),
                    (Some(_), Some(_)) => {
                        let lines = headers.get_all(&self.name).iter();
                        let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
                        regex.is_match(&lines.join(self.separator()))
                    }
                }
            }
        }
    }

    fn separator(&self) -> &'static [u8] {
        if self.name == COOKIE { b"; " } else { b", " }
    }
}

/// Whether `lines` joined by `separator` are `text`; a field that is missing is no text.
fn is_joined(lines: &GetAll<'_, HeaderValue>, separator: &[u8], text: &[u8]) -> bool {
    let mut lines = lines.iter();
    let first = lines.next();
    let mut rest = first.and_then(|line| text.strip_prefix(line.as_bytes()));
    for line in lines {
        rest = rest
            .and_then(|rest| rest.strip_prefix(separator))
            .and_then(|rest| rest.strip_prefix(line.as_bytes()));
    }
    rest.is_some_and(<[u8]>::is_empty)
}

/// What a route asks of the query: of the first pair with the name, both decoded as a form's are
/// (`+` is a space).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryMatch {
    /// The decoded name, compared in the case written.
    pub name: String,
    /// What the decoded value must be.
    pub value: ValueMatch,
}

impl QueryMatch {
    fn matches(&self, query: &str) -> bool {
        query::first(query, &self.name).is_some_and(|value| match &self.value {
            ValueMatch::Present => true,
            ValueMatch::Exact(text) => query::equals(value, text),
            ValueMatch::Regex(regex) => regex.is_match(&query::decode(value)),
        })
    }
}

/// All a route asks besides host and path. Sorted and without duplicates, so that two routes that
/// ask the same are equal and a matcher written twice counts once.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Checks {
    /// Empty: any method.
    pub(super) methods: Vec<Method>,
    /// All of them must match.
    pub(super) headers: Vec<HeaderMatch>,
    /// All of them must match.
    pub(super) queries: Vec<QueryMatch>,
}

impl Checks {
    /// The checks, or `None` when everything passes.
    pub(super) fn new(
        methods: &[Method],
        headers: &[HeaderMatch],
        queries: &[QueryMatch],
    ) -> Option<Self> {
        let (mut methods, mut headers, mut queries) =
            (methods.to_vec(), headers.to_vec(), queries.to_vec());
        methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        methods.dedup();
        headers.sort_by(|a, b| (a.name.as_str(), &a.value).cmp(&(b.name.as_str(), &b.value)));
        headers.dedup();
        queries.sort();
        queries.dedup();
        let any = methods.is_empty() && headers.is_empty() && queries.is_empty();
        (!any).then_some(Self {
            methods,
            headers,
            queries,
        })
    }

    pub(super) fn pass(&self, request: &Request<'_>) -> bool {
        let query = request.query.unwrap_or_default();
        (self.methods.is_empty() || self.methods.contains(request.method))
            && self
                .headers
                .iter()
                .all(|header| header.matches(request.headers))
            && self.queries.iter().all(|asked| asked.matches(query))
    }

    /// Whether some matcher takes more than one value, so that checks other than equal ones may be
    /// covered by these.
    pub(super) fn is_loose(&self) -> bool {
        let headers = self.headers.iter().map(|header| &header.value);
        let queries = self.queries.iter().map(|query| &query.value);
        headers
            .chain(queries)
            .any(|value| !matches!(value, ValueMatch::Exact(_)))
    }

    /// Whether every request that passes `other` is certain to pass `self` too.
    pub(super) fn cover(&self, other: &Self) -> bool {
        let methods = self.methods.is_empty()
            || (!other.methods.is_empty()
                && other
                    .methods
                    .iter()
                    .all(|method| self.methods.contains(method)));
        methods
            && self.headers.iter().all(|mine| {
                let mut others = other.headers.iter();
                others.any(|theirs| mine.name == theirs.name && mine.value.covers(&theirs.value))
            })
            && self.queries.iter().all(|mine| {
                let mut others = other.queries.iter();
                others.any(|theirs| mine.name == theirs.name && mine.value.covers(&theirs.value))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter();
        lines
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn exact(name: &'static str, value: &str) -> HeaderMatch {
        HeaderMatch {
            name: HeaderName::from_static(name),
            value: ValueMatch::Exact(value.to_owned()),
        }
    }

    fn regex(name: &'static str, pattern: &str) -> HeaderMatch {
        HeaderMatch {
            name: HeaderName::from_static(name),
            value: ValueMatch::Regex(WholeRegex::new(pattern).unwrap()),
        }
    }

    #[test]
    fn rfc9110_5_3_the_lines_of_a_field_are_one_value() {
        let lines = headers(&[("x-a", "1"), ("x-b", "3"), ("x-a", "2")]);
        assert!(exact("x-a", "1, 2").matches(&lines));
        assert!(regex("x-a", "1, [0-9]").matches(&lines));
        for value in ["1", "2", "1,2", "2, 1", "1, 2, ", "1, 23", ""] {
            assert!(!exact("x-a", value).matches(&lines), "{value:?}");
        }
        assert!(!regex("x-a", "1").matches(&lines));
    }

    #[test]
    fn rfc9113_8_2_3_the_crumbs_of_a_cookie_are_joined_by_semicolons() {
        let lines = headers(&[("cookie", "a=1"), ("cookie", "b=2")]);
        assert!(exact("cookie", "a=1; b=2").matches(&lines));
        assert!(regex("cookie", "(.*; )?b=2(; .*)?").matches(&lines));
    }

    #[test]
    fn a_missing_field_is_no_empty_one() {
        let present = HeaderMatch {
            name: HeaderName::from_static("x-a"),
            value: ValueMatch::Present,
        };
        for matcher in [exact("x-a", ""), regex("x-a", ".*"), present] {
            assert!(matcher.matches(&headers(&[("x-a", "")])));
            assert!(!matcher.matches(&HeaderMap::new()));
        }
    }

    #[test]
    fn a_query_value_is_compared_decoded() {
        let query = |value| QueryMatch {
            name: "a".to_owned(),
            value,
        };
        assert!(query(ValueMatch::Exact("x y".to_owned())).matches("b=1&%61=x+y"));
        assert!(query(ValueMatch::Regex(WholeRegex::new("x y").unwrap())).matches("a=x%20y"));
        assert!(query(ValueMatch::Present).matches("a"));
        assert!(!query(ValueMatch::Present).matches("b=a"));
        assert!(!query(ValueMatch::Exact("2".to_owned())).matches("a=1&a=2"));
    }

    #[test]
    fn a_matcher_written_twice_counts_once() {
        let twice = [exact("x-a", "1"), exact("x-a", "1")];
        let checks = Checks::new(&[Method::GET, Method::GET], &twice, &[]).unwrap();
        assert_eq!((checks.methods.len(), checks.headers.len()), (1, 1));
        assert_eq!(Checks::new(&[], &[], &[]), None);
    }
}
