//! Which objects does an address mean that an operator has written?

use std::borrow::Cow;

use http::HeaderMap;

use super::key::{KeyParts, KeyRule};
use super::purge::What;
use crate::route::{AmbiguousPath, InvalidHost, normalise_host, normalise_path};

/// An address in its parts, none of them looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'w> {
    /// What stands before `://`, if that does.
    pub scheme: Option<&'w str>,
    /// Host and port; empty if it begins with its path.
    pub authority: &'w str,
    /// From the first `/` on; empty if there is none.
    pub path: &'w str,
    /// What is behind the `?`.
    pub query: Option<&'w str>,
}

impl<'w> Written<'w> {
    /// Takes an address apart. What is behind a `#` is the browser's own, and left out.
    pub fn of(text: &'w str) -> Self {
        let text = text.trim();
        let text = text.split_once('#').map_or(text, |(text, _)| text);
        let (text, query) = match text.split_once('?') {
            Some((text, query)) => (text, Some(query)),
            None => (text, None),
        };
        let (scheme, text) = match text.split_once("://") {
            Some((scheme, text)) if !scheme.contains('/') => (Some(scheme), text),
            _ => (None, text),
        };
        let (authority, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        Self {
            scheme,
            authority,
            path,
            query,
        }
    }

    /// The port; `None` as well if it is no number, which [`normalise_host`] refuses.
    pub fn port(&self) -> Option<u16> {
        let (_, port) = self.authority.rsplit_once(':')?;
        port.parse().ok()
    }
}

/// How much of the addresses of objects is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// How they begin.
    Beginning,
}

/// Why an address means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It has a scheme that no listener speaks.
    #[error("`{0}` is neither http nor https")]
    Scheme(String),
    /// There is no host, and no route whose objects go without.
    #[error("it has no host; write `example.com/path`, or `https://example.com/path`")]
    NoHost,
    /// There is a host that can't be.
    #[error("{0}")]
    Host(#[from] InvalidHost),
    /// There is a path that can't be.
    #[error("{0}")]
    Path(#[from] AmbiguousPath),
    /// The query has what a request could not have.
    #[error("its query has a space or a control character")]
    Query,
}

/// What a purge of an address is about, under each of these rules: they decide how much of it tells objects apart. The
/// scheme only says which port is meant where none is written; objects fetched over either are found.
///
/// # Errors
///
/// [`BadAddress`].
pub fn objects<'r>(
    text: &str,
    extent: Extent,
    rules: impl IntoIterator<Item = &'r KeyRule>,
) -> Result<Vec<What>, BadAddress> {
    let text = text.trim();
    let text = match extent {
        Extent::Whole => text,
        Extent::Beginning => text.strip_suffix('*').unwrap_or(text),
    };
    let written = Written::of(text);
    let own_port = match written.scheme {
        None => None,
        Some(scheme) if scheme.eq_ignore_ascii_case("http") => Some(80),
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => Some(443),
        Some(scheme) => return Err(BadAddress::Scheme(scheme.escape_debug().to_string())),
    };
    let host = match written.authority {
        "" => Cow::Borrowed(""),
        authority => normalise_host(authority)?,
    };
    let port = written.port();
    let ports: &[Option<u16>] = match port {
        port if own_port.is_some() && port == own_port => &[None],
        // One of them is its own, but of which scheme is not said.
        Some(80 | 443) if own_port.is_none() => &[None, port],
        port => &[port],
    };
    let path = match (written.path, extent) {
        ("", _) => Cow::Borrowed("/"),
        (path, Extent::Beginning) if written.query.is_none() => beginning(path)?,
        (path, _) => normalise_path(path.as_bytes())?,
    };
    let query = written.query.map(in_ascii);
    let is_bad = |byte: u8| byte.is_ascii_control() || byte == b' ';
    if query
        .as_ref()
        .is_some_and(|query| query.bytes().any(is_bad))
    {
        return Err(BadAddress::Query);
    }
    let mut objects = Vec::new();
    let fields = HeaderMap::new();
    for rule in rules {
        if rule.host && host.is_empty() {
            continue;
        }
        for port in ports {
            let url = rule.url(&KeyParts {
                scheme: "",
                host: &host,
                port: *port,
                path: &path,
                query: query.as_deref(),
                fields: &fields,
            });
            // A rule that leaves something out of the query has nothing that begins with it.
            let is_whole = extent == Extent::Whole || rule.query(query.as_deref()) != query;
            let what = match is_whole {
                true => What::Url(url),
                false => What::Prefix(url),
            };
            if !objects.contains(&what) {
                objects.push(what);
            }
        }
    }
    match objects.is_empty() {
        true => Err(BadAddress::NoHost),
        false => Ok(objects),
    }
}

/// The normal form of how paths begin. Its last segment goes on, so that a `.` or `..` there is not yet one to resolve.
fn beginning(path: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
    const REST: char = 'x';
    let mut whole = normalise_path(format!("{path}{REST}").as_bytes())?.into_owned();
    whole.pop();
    Ok(Cow::Owned(whole))
}

/// What a client would send for it: what is not ASCII is written as escapes.
pub fn in_ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte.is_ascii() {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::{NamePattern, Names, QueryRule};

    fn plain() -> KeyRule {
        KeyRule::default()
    }

    fn whole(text: &str) -> Result<Vec<What>, BadAddress> {
        objects(text, Extent::Whole, &[plain()])
    }

    fn prefix(text: &str) -> Result<Vec<What>, BadAddress> {
        objects(text, Extent::Beginning, &[plain()])
    }

    fn url(url: &str) -> What {
        What::Url(url.to_owned())
    }

    fn begins(url: &str) -> What {
        What::Prefix(url.to_owned())
    }

    #[test]
    fn an_address_is_read_as_a_request_for_it_would_be() {
        for (text, expected) in [
            ("https://Example.com/a?x=1", "example.com/a?x=1"),
            (" HTTP://example.com. ", "example.com/"),
            ("example.com/a/../%62//c", "example.com/b/c"),
            ("https://example.com:443/a", "example.com/a"),
            ("https://example.com:80/a", "example.com:80/a"),
            ("http://example.com:8080?x", "example.com:8080/?x"),
            ("[::1]:8080/", "[::1]:8080/"),
            ("http://[::1]/a#b?c", "[::1]/a"),
            ("example.com/\u{e4}?\u{e4}=1", "example.com/%C3%A4?%C3%A4=1"),
            ("example.com/a?x=http://b/c", "example.com/a?x=http://b/c"),
            ("example.com/http://b/c", "example.com/http:/b/c"),
        ] {
            assert_eq!(whole(text), Ok(vec![url(expected)]), "{text}");
        }
    }

    #[test]
    fn a_port_without_a_scheme_may_be_one_s_own() {
        let expected = vec![url("a.example/"), url("a.example:443/")];
        assert_eq!(whole("a.example:443/"), Ok(expected));
        let expected = vec![url("a.example:81/")];
        assert_eq!(whole("a.example:81"), Ok(expected));
    }

    #[test]
    fn a_beginning_ends_where_it_is_written() {
        for (text, expected) in [
            ("https://example.com", "example.com/"),
            ("example.com/new", "example.com/new"),
            ("example.com/new/*", "example.com/new/"),
            ("example.com/*", "example.com/"),
            ("example.com/a/./b/.", "example.com/a/b/."),
            ("example.com/a/..", "example.com/a/.."),
            ("example.com/%7ea", "example.com/~a"),
            ("example.com/a?x=", "example.com/a?x="),
        ] {
            assert_eq!(prefix(text), Ok(vec![begins(expected)]), "{text}");
        }
        assert!(matches!(
            prefix("example.com/a%4"),
            Err(BadAddress::Path(_))
        ));
    }

    #[test]
    fn each_rule_says_what_of_the_address_counts() {
        let allowed = vec![NamePattern::Name("a".into())];
        let rules = [
            plain(),
            KeyRule {
                query: QueryRule::None,
                ..plain()
            },
            KeyRule {
                query: QueryRule::Allow(Names::new(allowed)),
                host: false,
                ..plain()
            },
            // The same once more, but for what no address tells.
            KeyRule {
                scheme: false,
                cookies: ["lang".into()].into(),
                ..plain()
            },
        ];
        let found = objects("https://example.com/p?b=2&a=1", Extent::Whole, &rules);
        let expected = ["example.com/p?b=2&a=1", "example.com/p", "/p?a=1"].map(url);
        assert_eq!(found, Ok(expected.to_vec()));
        let found = objects("https://example.com/p?b", Extent::Beginning, &rules);
        let expected = [begins("example.com/p?b"), url("example.com/p"), url("/p")];
        assert_eq!(found, Ok(expected.to_vec()));
        let found = objects("/p", Extent::Beginning, &rules);
        assert_eq!(found, Ok(vec![begins("/p")]), "only where no host counts");
    }

    #[test]
    fn what_no_request_could_ask_for_is_refused() {
        for text in [
            "", "/a", "?x", "https://", "ftp://a/", "a b/c", "me@a/", "a:99999/", "a/%2f", "a/b c",
            "a/?x y", "a/?\n1", "a\\b/",
        ] {
            assert!(whole(text).is_err(), "{text}");
            assert!(prefix(text).is_err(), "{text}");
        }
    }
}
