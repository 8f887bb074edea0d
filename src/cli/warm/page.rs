//! What is to be fetched: what does an address of a page mean?

use http::{HeaderValue, Uri};

use crate::cache::address::{Written, in_ascii};
use crate::route::normalise_host;

/// A page, ready to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where connections for it go, unless all go elsewhere.
    pub site: Site,
    /// The field `Host`.
    pub authority: HeaderValue,
    /// Path and query.
    pub target: Uri,
}

/// What a connection can be used for: the pages of one host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The host's name, or its address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Why an address can't be fetched.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPage {
    /// It does not say how.
    #[error("write it with `http://` or `https://`")]
    NoScheme,
    /// It is none.
    #[error("{0}")]
    NoAddress(String),
}

impl Page {
    /// Reads an address. What stands behind a `#` is the browser's own and left out.
    ///
    /// # Errors
    ///
    /// [`BadPage`].
    pub fn read(written: &str) -> Result<Self, BadPage> {
        let written = Written::of(written);
        let tls = match written.scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => true,
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => false,
            _ => return Err(BadPage::NoScheme),
        };
        let host = normalise_host(written.authority).map_err(no_address)?;
        let usual = if tls { 443 } else { 80 };
        let port = written.port().unwrap_or(usual);
        let authority = match port == usual {
            true => host.clone().into_owned(),
            false => format!("{host}:{port}"),
        };
        let path = if written.path.is_empty() {
            "/"
        } else {
            written.path
        };
        let target = match written.query {
            Some(query) => in_ascii(&format!("{path}?{query}")).into_owned(),
            None => in_ascii(path).into_owned(),
        };
        Ok(Self {
            authority: HeaderValue::try_from(authority).map_err(no_address)?,
            target: Uri::try_from(target).map_err(no_address)?,
            site: Site {
                tls,
                host: host.trim_matches(['[', ']']).to_owned(),
                port,
            },
        })
    }
}

fn no_address(error: impl std::fmt::Display) -> BadPage {
    BadPage::NoAddress(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> (String, String, Site) {
        let page = Page::read(written).expect("a page");
        let authority = page.authority.to_str().expect("text").to_owned();
        (authority, page.target.to_string(), page.site)
    }

    fn site(tls: bool, host: &str, port: u16) -> Site {
        let host = host.to_owned();
        Site { tls, host, port }
    }

    #[test]
    fn a_page_has_a_host_a_target_and_a_place() {
        let (authority, target, at) = read("https://Example.com/a%20b?x=1#top");
        assert_eq!((&*authority, &*target), ("example.com", "/a%20b?x=1"));
        assert_eq!(at, site(true, "example.com", 443));
        let (authority, target, at) = read(" HTTP://[::1]:8080 ");
        assert_eq!((&*authority, &*target), ("[::1]:8080", "/"));
        assert_eq!(at, site(false, "::1", 8080));
        let (authority, target, _) = read("http://example.com:80?x");
        assert_eq!((&*authority, &*target), ("example.com", "/?x"));
        let (_, target, _) = read("http://example.com/\u{e4}?\u{e4}");
        assert_eq!(target, "/%C3%A4?%C3%A4");
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for written in ["example.com/a", "/a", "ftp://example.com/"] {
            assert_eq!(Page::read(written), Err(BadPage::NoScheme), "{written}");
        }
        for written in [
            "",
            "http://",
            "http://a b/",
            "http://me@example.com/",
            "http://example.com:99999/",
            "http://example.com/a b",
            "http://example.com:80x/",
        ] {
            assert!(Page::read(written).is_err(), "{written}");
        }
    }
}
