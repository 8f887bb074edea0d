//! Does the whole of it follow its documentation? Here: how the tests write routes and requests.

mod overlap;
mod precedence;
mod reference;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use super::{
    HeaderMatch, HostPattern, Matcher, PathPattern, QueryMatch, Request, RouteMatch, RouteTable,
    ValueMatch, WholeRegex,
};

/// A route in words, as in `a.com *.b.com =/exact ^/regex /prefix GET h:name=value q:name`: hosts
/// and paths to choose from, methods, and matchers for headers and queries, whose value starts with
/// `^` for a regex and is missing for one that must only be present.
fn route(words: &str) -> Matcher {
    let mut route = Matcher::default();
    for word in words.split_whitespace() {
        if let Some(path) = word.strip_prefix('=') {
            route.paths.push(PathPattern::exact(path).unwrap());
        } else if let Some(pattern) = word.strip_prefix('^') {
            route.paths.push(PathPattern::regex(pattern).unwrap());
        } else if word.starts_with('/') {
            route.paths.push(PathPattern::prefix(word).unwrap());
        } else if let Some(header) = word.strip_prefix("h:") {
            let (name, value) = matcher(header);
            let name = HeaderName::try_from(name).unwrap();
            route.headers.push(HeaderMatch { name, value });
        } else if let Some(query) = word.strip_prefix("q:") {
            let (name, value) = matcher(query);
            let name = name.to_owned();
            route.queries.push(QueryMatch { name, value });
        } else if word.bytes().all(|byte| byte.is_ascii_uppercase()) {
            route.methods.push(Method::try_from(word).unwrap());
        } else {
            route.hosts.push(HostPattern::parse(word).unwrap());
        }
    }
    route
}

fn matcher(word: &str) -> (&str, ValueMatch) {
    match word.split_once('=') {
        None => (word, ValueMatch::Present),
        Some((name, value)) => match value.strip_prefix('^') {
            None => (name, ValueMatch::Exact(value.to_owned())),
            Some(pattern) => (name, ValueMatch::Regex(WholeRegex::new(pattern).unwrap())),
        },
    }
}

fn table<'a>(routes: impl IntoIterator<Item = &'a str>) -> RouteTable {
    let routes: Vec<Matcher> = routes.into_iter().map(route).collect();
    RouteTable::build(&routes)
}

/// A request in words, as in `GET a.com/path?query name:value`; the host may be missing.
struct Sent {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Sent {
    fn new(words: &str) -> Self {
        let mut words = words.split_whitespace();
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (target, query) = match target.split_once('?') {
            Some((target, query)) => (target, Some(query.to_owned())),
            None => (target, None),
        };
        let (host, path) = target.split_at(target.find('/').unwrap());
        Self {
            method: Method::try_from(method).unwrap(),
            host: host.to_owned(),
            path: path.to_owned(),
            query,
            headers: words
                .map(|line| {
                    let (name, value) = line.split_once(':').unwrap();
                    let name = HeaderName::try_from(name).unwrap();
                    (name, HeaderValue::try_from(value).unwrap())
                })
                .collect(),
        }
    }

    fn find(&self, table: &RouteTable) -> Option<RouteMatch> {
        table.find(&Request {
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            method: &self.method,
            headers: &self.headers,
        })
    }
}
