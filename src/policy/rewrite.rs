//! What does the endpoint see instead of the request's path or host?

use std::borrow::Cow;

use http::HeaderValue;
use regex::Regex;

use crate::config::route as config;

/// A rewrite of path or host.
#[derive(Clone, Debug)]
pub struct Rewrite {
    path: PathRewrite,
    /// The host the endpoint sees.
    pub host: Option<HeaderValue>,
}

#[derive(Clone, Debug)]
enum PathRewrite {
    Keep,
    Path(String),
    Prefix(String),
    Regex { pattern: Regex, replacement: String },
}

/// The compiled size a pattern may have; more is a mistake or an attack on the memory.
const PATTERN_BYTES: usize = 1 << 20;

impl Rewrite {
    /// The compiled form; `complain` gets everything that is not valid.
    pub fn compile(rewrite: &config::Rewrite, mut complain: impl FnMut(String)) -> Option<Self> {
        let mut valid = true;
        let mut wrong = |message: String| {
            complain(message);
            valid = false;
        };
        for path in [&rewrite.path, &rewrite.prefix].into_iter().flatten() {
            if !is_path(path) {
                wrong(format!(
                    "`{path}` is not a path; it starts with `/` and has no spaces, `?` or `#`"
                ));
            }
        }
        let path = match (&rewrite.path, &rewrite.prefix, &rewrite.regex) {
            (None, None, None) => PathRewrite::Keep,
            (Some(path), None, None) => PathRewrite::Path(path.clone()),
            (None, Some(prefix), None) => PathRewrite::Prefix(prefix.clone()),
            (None, None, Some(regex)) => {
                match regex::RegexBuilder::new(&regex.pattern)
                    .size_limit(PATTERN_BYTES)
                    .build()
                {
                    Ok(pattern) => PathRewrite::Regex {
                        pattern,
                        replacement: regex.replacement.clone(),
                    },
                    Err(error) => {
                        wrong(format!(
                            "`{}` is not a regular expression: {error}",
                            regex.pattern
                        ));
                        PathRewrite::Keep
                    }
                }
            }
            _ => {
                wrong("`path`, `prefix` and `regex` exclude each other".to_owned());
                PathRewrite::Keep
            }
        };
        let host = rewrite
            .host
            .as_ref()
            .and_then(|host| match HeaderValue::try_from(host) {
                Ok(value) if crate::route::normalise_host(host).is_ok() => Some(value),
                _ => {
                    wrong(format!("`host: {host}` is not a host name"));
                    None
                }
            });
        if *rewrite == config::Rewrite::default() {
            wrong("a rewrite needs `path`, `prefix`, `regex` or `host`".to_owned());
        }
        valid.then_some(Self { path, host })
    }

    /// The path the endpoint sees, of a normalised path of which the route's prefix matched the first `prefix` bytes.
    /// `None` if the rewritten path is no path a request could have.
    pub fn path<'a>(&'a self, path: &'a str, prefix: usize) -> Option<Cow<'a, str>> {
        match &self.path {
            PathRewrite::Keep => Some(Cow::Borrowed(path)),
            PathRewrite::Path(fixed) => Some(Cow::Borrowed(fixed)),
            PathRewrite::Prefix(new) => {
                let mut rewritten = String::with_capacity(new.len() + path.len());
                push_joined(&mut rewritten, new, &path[prefix..]);
                Some(Cow::Owned(rewritten))
            }
            PathRewrite::Regex {
                pattern,
                replacement,
            } => {
                // What a client wrote ends up in the new path, so it is brought into its one form again.
                match pattern.replace(path, replacement.as_str()) {
                    Cow::Borrowed(same) => Some(Cow::Borrowed(same)),
                    Cow::Owned(new) => match crate::route::normalise_path(new.as_bytes()) {
                        Ok(normal) => Some(Cow::Owned(normal.into_owned())),
                        Err(_) => None,
                    },
                }
            }
        }
    }
}

/// Puts `prefix` and the rest of a path, which is empty or starts with a slash, together with one slash in between.
pub(super) fn push_joined(to: &mut String, prefix: &str, rest: &str) {
    to.push_str(prefix.strip_suffix('/').unwrap_or(prefix));
    if rest.is_empty() && prefix.ends_with('/') {
        to.push('/');
    }
    to.push_str(rest);
}

/// Whether an operator's path can stand in a request's target.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(rewrite: config::Rewrite) -> Rewrite {
        Rewrite::compile(&rewrite, |message| panic!("{message}")).expect("valid")
    }

    #[test]
    fn a_prefix_is_replaced_with_exactly_one_slash_in_between() {
        for (new, path, prefix, want) in [
            ("/v2", "/api/x", 4, "/v2/x"),
            ("/v2/", "/api/x", 4, "/v2/x"),
            ("/", "/api/x", 4, "/x"),
            ("/", "/api", 4, "/"),
            ("/v2", "/api", 4, "/v2"),
            ("/v2/", "/api", 4, "/v2/"),
            ("/v2", "/x", 0, "/v2/x"),
        ] {
            let compiled = rewrite(config::Rewrite {
                prefix: Some(new.to_owned()),
                ..Default::default()
            });
            assert_eq!(
                compiled.path(path, prefix).as_deref(),
                Some(want),
                "{new} {path}"
            );
        }
    }

    #[test]
    fn a_pattern_rewrites_its_first_match_and_can_not_make_an_ambiguous_path() {
        let regex = |pattern: &str, replacement: &str| {
            rewrite(config::Rewrite {
                regex: Some(config::RegexRewrite {
                    pattern: pattern.to_owned(),
                    replacement: replacement.to_owned(),
                }),
                ..Default::default()
            })
        };
        assert_eq!(
            regex("^/u/([^/]+)", "/users/$1/home")
                .path("/u/ann/x", 0)
                .as_deref(),
            Some("/users/ann/home/x")
        );
        assert_eq!(regex("^/a/(.*)$", "/b/../../$1").path("/a/x", 0), None);
    }

    #[test]
    fn a_rewrite_that_does_nothing_or_two_things_is_refused() {
        for written in [
            config::Rewrite::default(),
            config::Rewrite {
                path: Some("/a".to_owned()),
                prefix: Some("/b".to_owned()),
                ..Default::default()
            },
            config::Rewrite {
                path: Some("a b".to_owned()),
                ..Default::default()
            },
        ] {
            let mut complaints = 0;
            assert!(Rewrite::compile(&written, |_| complaints += 1).is_none());
            assert!(complaints > 0);
        }
    }
}
