//! Which origins are allowed?

use rustc_hash::FxHashSet;

use super::Complaint;
use crate::config::Spanned;

/// What is said about an origin that can't be read.
const FORM: &str =
    "write scheme and host as `https://app.example`, with `:port` where it is not the scheme's own";

/// Origins, compared as a whole: scheme, host and port (RFC 6454 §5).
#[derive(Debug, Default)]
pub struct Origins {
    /// Whether every origin is.
    pub any: bool,
    exact: FxHashSet<Box<[u8]>>,
    patterns: Box<[Pattern]>,
}

/// `https://*.example.com:8443`: what is in front of the star, and what is behind it.
#[derive(Debug)]
struct Pattern {
    before: Box<[u8]>,
    behind: Box<[u8]>,
}

/// Why an origin can't be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// There is something behind the host.
    #[error("an origin has no path, not even `/`")]
    Path,
    /// No `://`, or no scheme in front of it.
    #[error("an origin has a scheme")]
    Scheme,
    /// Not a host.
    #[error("this is not a host")]
    Host,
    /// Not a port.
    #[error("this is not a port")]
    Port,
}

impl Origins {
    /// The compiled form; `complain` gets everything that is not valid.
    pub fn compile(written: &[Spanned<String>], complain: &mut Complaint<'_>) -> Self {
        let mut origins = Self::default();
        let mut patterns = Vec::new();
        if written.is_empty() {
            complain(
                "allow_origins",
                None,
                "no origin is allowed, so no page could use the route".to_owned(),
                Some("name the origins, or write `\"*\"` for every one"),
            );
        }
        for (index, origin) in written.iter().enumerate() {
            match origin.value.as_str() {
                "*" if written.len() > 1 => complain(
                    &format!("allow_origins[{index}]"),
                    origin.position.clone(),
                    "`*` stands for every origin already".to_owned(),
                    Some("leave out `*`, or all others"),
                ),
                "*" => origins.any = true,
                "null" => {
                    origins.exact.insert(b"null".as_slice().into());
                }
                text => match normal(text) {
                    Ok(text) => match text.split_once('*') {
                        Some((before, behind)) => patterns.push(Pattern {
                            before: before.as_bytes().into(),
                            behind: behind.as_bytes().into(),
                        }),
                        None => {
                            origins.exact.insert(text.into_bytes().into());
                        }
                    },
                    Err(error) => complain(
                        &format!("allow_origins[{index}]"),
                        origin.position.clone(),
                        format!("`{}`: {error}", text.escape_debug()),
                        Some(FORM),
                    ),
                },
            }
        }
        origins.patterns = patterns.into();
        origins
    }

    /// Whether this is one of them, as browsers write it.
    pub fn contains(&self, origin: &[u8]) -> bool {
        self.any
            || self.exact.contains(origin)
            || self.patterns.iter().any(|pattern| pattern.matches(origin))
    }
}

impl Pattern {
    fn matches(&self, origin: &[u8]) -> bool {
        let labels = origin
            .strip_prefix(&*self.before)
            .and_then(|rest| rest.strip_suffix(&*self.behind));
        // Whole labels, so that nothing else can stand between scheme and domain.
        labels.is_some_and(|labels| labels.split(|byte| *byte == b'.').all(is_label))
    }
}

fn is_label(label: &[u8]) -> bool {
    let inner =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(byte);
    !label.is_empty() && label.iter().all(inner)
}

/// As browsers write it: scheme and host in lower case, and no port that is the scheme's own (Fetch, "serialize an
/// origin").
fn normal(text: &str) -> Result<String, InvalidOrigin> {
    let text = text.to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://").ok_or(InvalidOrigin::Scheme)?;
    let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_lowercase())
        || !scheme.bytes().all(of_scheme)
    {
        return Err(InvalidOrigin::Scheme);
    }
    if rest.contains(['/', '?', '#']) {
        return Err(InvalidOrigin::Path);
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let port = match port {
        None => None,
        Some(port) => Some(port.parse::<u16>().map_err(|_| InvalidOrigin::Port)?),
    };
    let port = port.filter(|port| !matches!((scheme, port), ("http", 80) | ("https", 443)));
    let name = host.strip_prefix("*.").unwrap_or(host);
    let v6 = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    let labels = name.split('.').all(|label| is_label(label.as_bytes()));
    // No star stands in front of an address.
    let address = v6 && name == host;
    if !labels && !address {
        return Err(InvalidOrigin::Host);
    }
    Ok(match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(written: &[&str]) -> Origins {
        let written: Vec<_> = written
            .iter()
            .map(|text| Spanned::new((*text).to_owned()))
            .collect();
        Origins::compile(&written, &mut |_, _, message, _| panic!("{message}"))
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_and_all_of_them() {
        let origins = origins(&[
            "https://App.Example",
            "http://localhost:3000",
            "https://b.example:443",
            "http://[::1]:8080",
        ]);
        for (origin, allowed) in [
            ("https://app.example", true),
            ("https://b.example", true),
            ("http://localhost:3000", true),
            ("http://[::1]:8080", true),
            ("http://app.example", false),
            ("https://app.example:8443", false),
            ("https://app.example.evil", false),
            ("https://evil-app.example", false),
            ("https://app.example/", false),
            ("https://APP.example", false),
            ("http://localhost", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(origins.contains(origin.as_bytes()), allowed, "{origin}");
        }
    }

    #[test]
    fn a_star_stands_for_whole_labels_between_scheme_and_domain() {
        let origins = origins(&["https://*.example.com", "http://*.test:8080", "null"]);
        for (origin, allowed) in [
            ("https://a.example.com", true),
            ("https://a.b.example.com", true),
            ("http://a.test:8080", true),
            ("null", true),
            ("https://example.com", false),
            ("https://.example.com", false),
            ("https://a..example.com", false),
            ("https://evilexample.com", false),
            ("https://evil.com/.example.com", false),
            ("https://evil.com#.example.com", false),
            ("https://evil.com:80.example.com", false),
            ("https://u@evil.example.com", false),
            ("https://a.example.com.evil", false),
            ("https://a.example.com:8443", false),
            ("http://a.example.com", false),
            ("http://a.test", false),
            ("x https://a.example.com", false),
        ] {
            assert_eq!(origins.contains(origin.as_bytes()), allowed, "{origin}");
        }
    }

    #[test]
    fn what_can_not_be_an_origin_is_told() {
        for (written, error) in [
            ("https://a.example/", InvalidOrigin::Path),
            ("a.example", InvalidOrigin::Scheme),
            ("://a.example", InvalidOrigin::Scheme),
            ("https://", InvalidOrigin::Host),
            ("https://a.*.example", InvalidOrigin::Host),
            ("https://*", InvalidOrigin::Host),
            ("https://*a.example", InvalidOrigin::Host),
            ("https://*.[::1]", InvalidOrigin::Host),
            ("https://u@a.example", InvalidOrigin::Host),
            ("https://a.example:x", InvalidOrigin::Port),
            ("https://a.example:*", InvalidOrigin::Port),
        ] {
            assert_eq!(normal(written), Err(error), "{written}");
        }
        assert_eq!(
            normal("capacitor://localhost").as_deref(),
            Ok("capacitor://localhost")
        );
    }

    proptest::proptest! {
        #[test]
        fn a_pattern_takes_only_names_below_its_domain(origin in "https://[a-z.:/@#?*-]{0,20}(\\.example\\.com)?") {
            let origins = origins(&["https://*.example.com"]);
            if origins.contains(origin.as_bytes()) {
                let host = origin.strip_prefix("https://").expect("the scheme");
                proptest::prop_assert!(host.ends_with(".example.com"));
                proptest::prop_assert!(!host.contains([':', '/', '@', '#', '?', '*']));
            }
        }
    }
}
