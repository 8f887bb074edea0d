//! What may a route say about host and path, and what is wrong with what it says?

use std::fmt;
use std::net::Ipv6Addr;

use super::host;
use super::path;
use super::whole_regex::WholeRegex;

/// A pattern no request could match, or not the way it was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidPattern {
    message: String,
}

impl InvalidPattern {
    pub(super) fn new(message: String) -> Self {
        Self { message }
    }
}

/// Which hosts a route is for. In order: exact names, then wildcards, then any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern(pub(super) HostKind);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum HostKind {
    Exact(String),
    /// `*.` and this name: one or more labels in front of it, never the name alone.
    Wildcard(String),
    Any,
}

impl HostPattern {
    /// Every host, also the missing one of an HTTP/1.0 request. Written `*`.
    pub const ANY: Self = Self(HostKind::Any);

    /// Reads `example.com`, `*.example.com` (one or more labels in place of the `*`, as in the
    /// Gateway API), `[::1]`, or `*`. Upper case and a last dot are normalised.
    ///
    /// # Errors
    ///
    /// With a hint what to write instead.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        if text == "*" {
            return Ok(Self::ANY);
        }
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if let Some(hint) = hint(name) {
            return Err(InvalidPattern::new(format!(
                "`{text}` is not a host: {hint}"
            )));
        }
        let checked = if wildcard {
            let name = name.strip_suffix('.').unwrap_or(name);
            host::check_name(name).map(|()| HostKind::Wildcard(name.to_ascii_lowercase()))
        } else {
            host::normalise(name).map(|name| HostKind::Exact(name.into_owned()))
        };
        match checked {
            Ok(kind) => Ok(Self(kind)),
            Err(invalid) => Err(InvalidPattern::new(format!(
                "`{text}` is not a host: {}",
                invalid.why
            ))),
        }
    }
}

/// What to write instead of `name`, for the mistakes that have a name.
fn hint(name: &str) -> Option<String> {
    let hint = if name.is_empty() {
        "it is empty: leave the host out, or write `*`, to match any".to_owned()
    } else if name.contains("://") {
        "write the host alone, without a scheme".to_owned()
    } else if name.contains('/') {
        "write the host alone; a path is a matcher of its own".to_owned()
    } else if name.contains('*') {
        "a `*` stands for whole labels at the left end only, as in `*.example.com`; `*` alone matches any host"
            .to_owned()
    } else if !name.is_ascii() {
        "write an international name in its ASCII form (punycode), as in `xn--bcher-kva.example`"
            .to_owned()
    } else if name.parse::<Ipv6Addr>().is_ok() {
        format!("write an IPv6 address in brackets: `[{name}]`")
    } else {
        // What is behind the last colon, unless that colon is part of an address in brackets.
        let (host, port) = name.rsplit_once(':')?;
        if port.contains(']') {
            return None;
        }
        format!("a route has no port, its listener has: write `{host}`")
    };
    Some(hint)
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            HostKind::Exact(name) => f.write_str(name),
            HostKind::Wildcard(name) => write!(f, "*.{name}"),
            HostKind::Any => f.write_str("*"),
        }
    }
}

/// Which paths a route is for. In order: exact paths, then regexes (the longest pattern first), then
/// prefixes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPattern(pub(super) PathKind);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum PathKind {
    Exact(String),
    Regex(WholeRegex),
    /// Without its last `/`, so empty for the prefix `/`.
    Prefix(String),
}

impl PathPattern {
    /// Every path, also the `*` of `OPTIONS *`. The same as the prefix `/`.
    pub const ANY: Self = Self(PathKind::Prefix(String::new()));

    /// The one path `path`, which is normalised first; a `/` at its end counts.
    ///
    /// # Errors
    ///
    /// When `path` has no normal form, so that no request could match it.
    pub fn exact(path: &str) -> Result<Self, InvalidPattern> {
        Ok(Self(PathKind::Exact(normal(path)?)))
    }

    /// `path` and all below it, by whole segments: `/api` is a prefix of `/api` and of `/api/x`, not
    /// of `/apix`. Normalised first; a `/` at its end makes no difference (Gateway API).
    ///
    /// # Errors
    ///
    /// When `path` has no normal form, so that no request could match it.
    pub fn prefix(path: &str) -> Result<Self, InvalidPattern> {
        let mut prefix = normal(path)?;
        if prefix.ends_with('/') {
            prefix.pop();
        }
        Ok(Self(PathKind::Prefix(prefix)))
    }

    /// The paths whose normal form `pattern` matches as a whole.
    ///
    /// # Errors
    ///
    /// See [`WholeRegex::new`].
    pub fn regex(pattern: &str) -> Result<Self, InvalidPattern> {
        Ok(Self(PathKind::Regex(WholeRegex::new(pattern)?)))
    }
}

fn normal(path: &str) -> Result<String, InvalidPattern> {
    match path::normalise(path.as_bytes()) {
        Ok(normal) => Ok(normal.into_owned()),
        Err(ambiguous) => Err(InvalidPattern::new(format!(
            "no request has the path `{path}`: {}",
            ambiguous.why
        ))),
    }
}

/// As in a message: the path, with `~` before a regex and `*` behind a prefix.
impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            PathKind::Exact(path) => f.write_str(path),
            PathKind::Regex(regex) => write!(f, "~{}", regex.as_str()),
            PathKind::Prefix(prefix) => write!(f, "{prefix}/*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_pattern_is_normalised() {
        for (text, expected) in [
            ("example.com", "example.com"),
            ("Example.COM.", "example.com"),
            ("*.Example.com", "*.example.com"),
            ("*.com", "*.com"),
            ("*", "*"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(HostPattern::parse(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_wrong_host_pattern_is_answered_with_what_to_write_instead() {
        for (text, hint) in [
            ("", "write `*`"),
            ("*.", "write `*`"),
            ("*.com.*", "left end"),
            ("foo.*", "left end"),
            ("*foo.com", "left end"),
            ("a.*.com", "left end"),
            ("*.*.com", "left end"),
            ("**", "left end"),
            ("example.com:443", "write `example.com`"),
            ("[::1]:443", "write `[::1]`"),
            ("::1", "`[::1]`"),
            ("https://example.com", "scheme"),
            ("example.com/a", "path"),
            ("bücher.example", "punycode"),
            ("a..b", "empty label"),
            ("a b", "character"),
        ] {
            let error = HostPattern::parse(text).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn a_path_pattern_is_normalised() {
        let exact = |path| PathPattern::exact(path).unwrap().to_string();
        let prefix = |path| PathPattern::prefix(path).unwrap().to_string();
        assert_eq!(exact("/a//é/"), "/a/%C3%A9/");
        assert_eq!(prefix("/api/"), "/api/*");
        assert_eq!(prefix("/api"), "/api/*");
        assert_eq!(PathPattern::prefix("/").unwrap(), PathPattern::ANY);
        assert_eq!(PathPattern::ANY.to_string(), "/*");
    }

    #[test]
    fn a_path_no_request_has_is_refused() {
        let error = PathPattern::prefix("api").unwrap_err().to_string();
        assert_eq!(
            error,
            "no request has the path `api`: it does not start with `/`"
        );
        assert!(PathPattern::exact("/a?b=c").is_err());
        assert!(PathPattern::regex("/(").is_err());
    }
}
