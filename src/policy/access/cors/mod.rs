//! May a page of another origin use this route? What browsers are told about it (Fetch standard, §3.3 "CORS protocol").
//!
//! The decision is the browser's: a request of another page is carried like any other, and only its answer says nothing
//! that would let the page read it. So a preflight is answered here and never refused.

mod origin;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{Access, Asked, Edit, Granted, Reply, Ruling, Verdict};
use crate::config::access::Cors as Written;
use crate::config::{Position, Spanned};
pub use origin::{InvalidOrigin, Origins};

/// What an answer says to a page, by name.
const FIELDS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// Which pages may use a route, and what they are told.
#[derive(Debug)]
pub struct Cors {
    origins: Origins,
    /// What an answer says beside the origin.
    answer: Box<[(HeaderName, HeaderValue)]>,
    /// What the answer to a preflight says beside the origin.
    preflight: Box<[(HeaderName, HeaderValue)]>,
}

/// What is wrong with a part of what was written: its key, its place, the problem and what to do.
pub type Complaint<'c> = dyn FnMut(&str, Option<Position>, String, Option<&str>) + 'c;

impl Cors {
    /// The compiled form; `complain` gets everything that is not valid.
    pub fn compile(written: &Written, complain: &mut Complaint<'_>) -> Self {
        let origins = Origins::compile(&written.allow_origins, complain);
        let methods = methods(&written.allow_methods, complain);
        let headers = names("allow_headers", &written.allow_headers, complain);
        let exposed = names("expose_headers", &written.expose_headers, complain);
        if written.allow_credentials {
            for (key, list) in [
                ("allow_origins", &written.allow_origins),
                ("allow_methods", &written.allow_methods),
                ("allow_headers", &written.allow_headers),
                ("expose_headers", &written.expose_headers),
            ] {
                let any = list.iter().enumerate().find(|(_, item)| item.value == "*");
                if let Some((index, item)) = any {
                    complain(
                        &format!("{key}[{index}]"),
                        item.position.clone(),
                        "browsers take `*` for nothing where credentials are allowed (Fetch §3.3.5)"
                            .to_owned(),
                        Some("name them one by one, or leave `allow_credentials` out"),
                    );
                }
            }
        }
        let credentials = written.allow_credentials.then(|| {
            (
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            )
        });
        let max_age = written.max_age.as_ref().map(|age| {
            let seconds = age.value.as_duration().as_secs();
            (ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds))
        });
        let field = |name: HeaderName, value: Option<HeaderValue>| value.map(|value| (name, value));
        Self {
            origins,
            answer: credentials
                .clone()
                .into_iter()
                .chain(field(ACCESS_CONTROL_EXPOSE_HEADERS, exposed))
                .collect(),
            preflight: credentials
                .into_iter()
                .chain(field(ACCESS_CONTROL_ALLOW_METHODS, methods))
                .chain(field(ACCESS_CONTROL_ALLOW_HEADERS, headers))
                .chain(max_age)
                .collect(),
        }
    }

    /// The `Access-Control-Allow-Origin` for a request with these fields.
    fn allows(&self, fields: &HeaderMap) -> Option<HeaderValue> {
        if self.origins.any {
            // Said to everyone, whoever asks: a cache may keep the answer for all.
            return Some(HeaderValue::from_static("*"));
        }
        let mut origins = fields.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) if self.origins.contains(origin.as_bytes()) => {
                Some(origin.clone())
            }
            _ => None,
        }
    }

    /// The answer to a preflight.
    fn reply(&self, allowed: Option<HeaderValue>) -> Reply {
        let mut fields = Vec::with_capacity(self.preflight.len() + 2);
        if let Some(origin) = allowed {
            fields.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin));
            fields.extend_from_slice(&self.preflight);
        }
        if !self.origins.any {
            fields.push((VARY, HeaderValue::from_static("Origin")));
        }
        Reply {
            status: StatusCode::NO_CONTENT,
            fields,
            body: bytes::Bytes::new(),
        }
    }
}

/// Whether a request is a browser's question before another one (Fetch §3.3.2).
fn is_preflight(asked: &Asked<'_>) -> bool {
    let fields = asked.request.headers;
    *asked.request.method == Method::OPTIONS
        && fields.contains_key(ORIGIN)
        && fields.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Access for Cors {
    fn decide(&self, asked: &Asked<'_>, granted: &mut Granted) -> Verdict {
        let allowed = self.allows(asked.request.headers);
        if is_preflight(asked) {
            return Ruling::Answer(Box::new(self.reply(allowed))).into();
        }
        let edits = &mut granted.to_client;
        edits.reserve(FIELDS.len() + self.answer.len() + 2);
        // What the endpoint says itself was not written here, and could be said twice.
        edits.extend(FIELDS.map(Edit::Remove));
        if let Some(origin) = allowed {
            edits.push(Edit::Set(ACCESS_CONTROL_ALLOW_ORIGIN, origin));
            let answer = self.answer.iter().cloned();
            edits.extend(answer.map(|(name, value)| Edit::Set(name, value)));
        }
        if !self.origins.any {
            // Also where nothing is allowed: a cache must not give that answer to a page that may read it.
            edits.push(Edit::Include(VARY, HeaderValue::from_static("Origin")));
        }
        Verdict::pass()
    }
}

fn methods(written: &[Spanned<String>], complain: &mut Complaint<'_>) -> Option<HeaderValue> {
    for (index, method) in written.iter().enumerate() {
        let text = method.value.as_str();
        if Method::from_bytes(text.as_bytes()).is_err()
            || text.bytes().any(|byte| byte.is_ascii_lowercase())
        {
            let upper = text.to_ascii_uppercase();
            complain(
                &format!("allow_methods[{index}]"),
                method.position.clone(),
                format!("`{}` is not a method", text.escape_debug()),
                Some(&format!(
                    "methods are written in capitals, as `{}`; `*` stands for all",
                    upper.escape_debug()
                )),
            );
        }
    }
    list(written)
}

fn names(
    key: &str,
    written: &[Spanned<String>],
    complain: &mut Complaint<'_>,
) -> Option<HeaderValue> {
    for (index, name) in written.iter().enumerate() {
        if HeaderName::try_from(name.value.as_str()).is_err() {
            complain(
                &format!("{key}[{index}]"),
                name.position.clone(),
                format!(
                    "`{}` is not the name of a header field",
                    name.value.escape_debug()
                ),
                None,
            );
        }
    }
    list(written)
}

/// One value for all; `None` for none.
fn list(written: &[Spanned<String>]) -> Option<HeaderValue> {
    let items: Vec<&str> = written.iter().map(|item| item.value.as_str()).collect();
    let joined = (!items.is_empty()).then(|| items.join(", "))?;
    HeaderValue::try_from(joined).ok()
}

#[cfg(test)]
mod tests;
