//! Where does a redirecting route send its requests?

use std::fmt::Write as _;

use http::StatusCode;

use crate::config::route as config;

/// A redirect. What is not given stays as the client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The answer's status code.
    pub status: StatusCode,
    scheme: Option<&'static str>,
    host: Option<String>,
    port: Option<u16>,
    path: PathChange,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PathChange {
    Keep,
    Path(String),
    Prefix(String),
}

/// What a redirect needs to know about the request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The host without its port.
    pub host: &'a str,
    /// The port the client used.
    pub port: Option<u16>,
    /// The normalised path.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: Option<&'a str>,
    /// How much of the path the route's prefix matched.
    pub prefix: usize,
}

impl Redirect {
    /// The compiled form; `complain` gets everything that is not valid.
    pub fn compile(redirect: &config::Redirect, mut complain: impl FnMut(String)) -> Option<Self> {
        let mut valid = true;
        let mut wrong = |message: String| {
            complain(message);
            valid = false;
        };
        let status = match redirect.status.unwrap_or(config::DEFAULT_REDIRECT) {
            301 => StatusCode::MOVED_PERMANENTLY,
            302 => StatusCode::FOUND,
            303 => StatusCode::SEE_OTHER,
            307 => StatusCode::TEMPORARY_REDIRECT,
            308 => StatusCode::PERMANENT_REDIRECT,
            other => {
                wrong(format!(
                    "`status: {other}` is no redirect; valid are 301, 302, 303, 307 and 308"
                ));
                StatusCode::FOUND
            }
        };
        let scheme = match redirect.scheme.as_deref() {
            None => None,
            Some("http") => Some("http"),
            Some("https") => Some("https"),
            Some(other) => {
                wrong(format!(
                    "`scheme: {other}` is not known; valid are `http` and `https`"
                ));
                None
            }
        };
        if let Some(host) = &redirect.host
            && crate::route::normalise_host(host).is_err()
        {
            wrong(format!("`host: {host}` is not a host name"));
        }
        for path in [&redirect.path, &redirect.prefix].into_iter().flatten() {
            if !super::rewrite::is_path(path) {
                wrong(format!(
                    "`{path}` is not a path; it starts with `/` and has no spaces, `?` or `#`"
                ));
            }
        }
        let path = match (&redirect.path, &redirect.prefix) {
            (Some(_), Some(_)) => {
                wrong("`path` and `prefix` exclude each other".to_owned());
                PathChange::Keep
            }
            (Some(path), None) => PathChange::Path(path.clone()),
            (None, Some(prefix)) => PathChange::Prefix(prefix.clone()),
            (None, None) => PathChange::Keep,
        };
        if scheme.is_none()
            && redirect.host.is_none()
            && redirect.port.is_none()
            && redirect.path.is_none()
            && redirect.prefix.is_none()
        {
            wrong("a redirect to the same place would never end; give `scheme`, `host`, `port`, `path` or `prefix`".to_owned());
        }
        valid.then(|| Self {
            status,
            scheme,
            host: redirect.host.clone(),
            port: redirect.port,
            path,
        })
    }

    /// The value of `Location`.
    pub fn location(&self, asked: &Asked<'_>) -> String {
        let scheme = self.scheme.unwrap_or(asked.scheme);
        let host = self.host.as_deref().unwrap_or(asked.host);
        let kept_port = if scheme == asked.scheme {
            asked.port
        } else {
            None
        };
        let own_port = if scheme == "https" { 443 } else { 80 };
        let mut location = String::with_capacity(scheme.len() + host.len() + asked.path.len() + 16);
        location.push_str(scheme);
        location.push_str("://");
        location.push_str(host);
        if let Some(port) = self.port.or(kept_port).filter(|port| *port != own_port) {
            // Writing to a string can't fail.
            let _ = write!(location, ":{port}");
        }
        match &self.path {
            PathChange::Path(path) => {
                location.push_str(path);
                return location;
            }
            PathChange::Prefix(prefix) => {
                super::rewrite::push_joined(&mut location, prefix, &asked.path[asked.prefix..]);
            }
            PathChange::Keep => location.push_str(if asked.path.starts_with('/') {
                asked.path
            } else {
                "/"
            }),
        }
        if let Some(query) = asked.query {
            location.push('?');
            location.push_str(query);
        }
        location
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked<'static> {
        Asked {
            scheme: "http",
            host: "a.example",
            port: Some(8080),
            path: "/old/x",
            query: Some("q=1"),
            prefix: 4,
        }
    }

    fn location(redirect: &config::Redirect) -> String {
        Redirect::compile(redirect, |message| panic!("{message}"))
            .expect("valid")
            .location(&asked())
    }

    #[test]
    fn what_is_not_given_stays() {
        let host = config::Redirect {
            host: Some("b.example".to_owned()),
            ..Default::default()
        };
        assert_eq!(location(&host), "http://b.example:8080/old/x?q=1");
        let scheme = config::Redirect {
            scheme: Some("https".to_owned()),
            ..Default::default()
        };
        assert_eq!(location(&scheme), "https://a.example/old/x?q=1");
        let port = config::Redirect {
            port: Some(80),
            ..Default::default()
        };
        assert_eq!(location(&port), "http://a.example/old/x?q=1");
    }

    #[test]
    fn a_prefix_is_replaced_and_a_path_replaces_everything() {
        let prefix = config::Redirect {
            prefix: Some("/new/".to_owned()),
            ..Default::default()
        };
        assert_eq!(location(&prefix), "http://a.example:8080/new/x?q=1");
        let path = config::Redirect {
            path: Some("/moved".to_owned()),
            ..Default::default()
        };
        assert_eq!(location(&path), "http://a.example:8080/moved");
    }

    #[test]
    fn a_redirect_that_would_never_end_or_is_none_is_refused() {
        for (redirect, part) in [
            (config::Redirect::default(), "never end"),
            (
                config::Redirect {
                    status: Some(200),
                    port: Some(1),
                    ..Default::default()
                },
                "is no redirect",
            ),
            (
                config::Redirect {
                    path: Some("x".to_owned()),
                    ..Default::default()
                },
                "not a path",
            ),
        ] {
            let mut complaints = Vec::new();
            assert_eq!(
                Redirect::compile(&redirect, |message| complaints.push(message)),
                None
            );
            assert!(
                complaints.iter().any(|message| message.contains(part)),
                "{complaints:?}"
            );
        }
    }
}
