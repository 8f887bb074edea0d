//! May a request go on? Policies that decide it: one file each, and here what they are asked and what they may say.
//!
//! They are asked one after the other, in the order that `snapshot/access.rs` writes down: those of the listener, then
//! those of the route, then those of its pool. The first that does not let the request pass ends it.

pub mod api_key;
pub mod basic_auth;
pub mod cors;
pub mod forward_auth;
pub mod ip_filter;
pub mod jwt;
pub mod place;
pub mod rate_limit;
pub mod shared_rate_limit;
pub mod subrequest;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::COOKIE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use crate::error::Reason;
use crate::proxy::forward::{Fields, Scheme, remove_cookie};
use crate::route::Request;

pub use api_key::ApiKey;
pub use basic_auth::BasicAuth;
pub use cors::Cors;
pub use forward_auth::ForwardAuth;
pub use ip_filter::IpFilter;
pub use jwt::Jwt;
pub use place::Place;
pub use rate_limit::RateLimit;
pub use shared_rate_limit::SharedRateLimit;
pub use subrequest::Subrequest;

/// A policy that decides whether a request may go on.
pub trait Access: Send + Sync {
    /// Decides about one request. What it found out goes into `granted`, also if it refuses: a refusal has fields of its
    /// own, such as `WWW-Authenticate`.
    fn decide(&self, asked: &Asked<'_>, granted: &mut Granted) -> Verdict;

    /// Whether any request of this client could be let in. Of a listener's policies this is asked when a connection comes
    /// in, so that who stays outside in any case costs nothing more.
    fn admits(&self, _client: IpAddr) -> bool {
        true
    }

    /// The parameter of the query that it finds a secret in. The route knows it, so that it stays one whoever ends the
    /// request, be that before this policy is asked.
    fn secret_parameter(&self) -> Option<SecretParameter> {
        None
    }
}

/// Policies in their order.
pub type Policies = Box<[Arc<dyn Access>]>;

/// What a policy may look at.
pub struct Asked<'r> {
    /// Host, path, query, method and fields. The path is in its normal form.
    pub request: &'r Request<'r>,
    /// What others may see of its query: all but a secret that is not forwarded.
    pub told_query: Option<&'r str>,
    /// Path and query as the client wrote them.
    pub target: &'r [u8],
    /// The client's own address, as far as the proxies in front are trusted; `None` on a Unix socket.
    pub client: Option<IpAddr>,
    /// How the client speaks.
    pub scheme: Scheme,
    /// Whether it wants a WebSocket.
    pub upgrade: bool,
    /// When it came.
    pub now: Instant,
    /// The same on the wall clock.
    pub time: SystemTime,
}

/// What a policy says when it is asked.
pub enum Verdict {
    /// It knows.
    Now(Ruling),
    /// It takes a while to find out.
    Later(Later),
    /// Another service knows.
    Ask(Box<Subrequest>),
}

/// What follows for the request. Whatever a policy waits for ends in one of these, so no policy waits twice.
pub enum Ruling {
    /// The request may go on, as far as this policy goes.
    Pass,
    /// It may not.
    Refuse(Refusal),
    /// It is answered here, and that is no failure: a CORS preflight, what an authorisation service answered.
    Answer(Box<Reply>),
}

impl From<Ruling> for Verdict {
    fn from(ruling: Ruling) -> Self {
        Self::Now(ruling)
    }
}

impl Verdict {
    /// The request may go on.
    pub const fn pass() -> Self {
        Self::Now(Ruling::Pass)
    }

    /// It may not.
    pub const fn refuse(refusal: Refusal) -> Self {
        Self::Now(Ruling::Refuse(refusal))
    }
}

/// Why a request may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, which has the status.
    pub reason: Reason,
    /// When to come again, with 429 and 503.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal without a time to come again.
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            retry_after: None,
        }
    }
}

/// An answer that is no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Its fields; `Content-Length` is added.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// A ruling to come. It owns what it needs, its own time limit included.
pub type Later = Pin<Box<dyn Future<Output = (Ruling, Granted)> + Send>>;

/// What policies found out about a request, and what follows from it.
#[derive(Debug, Default)]
pub struct Granted {
    /// Who the client has shown to be.
    pub user: Option<Arc<str>>,
    /// What its verified token says.
    pub claims: Option<Arc<Map<String, Value>>>,
    /// Changes to the request that the endpoint gets.
    pub to_endpoint: Vec<Edit>,
    /// Changes to the answer that the client gets, whoever gives it.
    pub to_client: Vec<Edit>,
}

impl Granted {
    /// Adds what a ruling that came later has brought.
    pub fn absorb(&mut self, later: Granted) {
        let Granted {
            user,
            claims,
            to_endpoint,
            to_client,
        } = later;
        if user.is_some() {
            self.user = user;
        }
        if claims.is_some() {
            self.claims = claims;
        }
        self.to_endpoint.extend(to_endpoint);
        self.to_client.extend(to_client);
    }
}

/// A parameter of the query that holds a secret: the access log does not show its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretParameter {
    /// Its name, decoded.
    pub name: Arc<str>,
    /// Whether the endpoint gets it, and whoever else is told of the request.
    pub forward: bool,
}

/// A change to a message's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Takes every line of this name away.
    Remove(HeaderName),
    /// Takes every cookie of this name away. The others are those that are there by then: joined to one line, and without
    /// the cookies of the pool.
    RemoveCookie(Arc<str>),
    /// Makes this the only line of the name.
    Set(HeaderName, HeaderValue),
    /// Takes every line of this name away, however that is spelled: CGI-like endpoints read `X_User` as `X-User`, and a
    /// client could send the former.
    Disown(HeaderName),
    /// Makes this the only line of the name, however that is spelled.
    Vouch(HeaderName, HeaderValue),
    /// Adds a line after those that are there.
    Append(HeaderName, HeaderValue),
    /// Adds a line with one member of a list (RFC 9110 §5.6.1), unless the list has it, or `*`, already.
    Include(HeaderName, HeaderValue),
}

impl Edit {
    /// The field it changes.
    pub fn name(&self) -> &HeaderName {
        match self {
            Self::RemoveCookie(_) => &COOKIE,
            Self::Remove(name)
            | Self::Set(name, _)
            | Self::Disown(name)
            | Self::Vouch(name, _)
            | Self::Append(name, _)
            | Self::Include(name, _) => name,
        }
    }

    /// Makes the change.
    pub fn apply(&self, fields: &mut impl Fields) {
        match self {
            Self::Remove(name) => {
                if fields.map().contains_key(name) {
                    fields.remove(name);
                }
            }
            Self::RemoveCookie(name) => remove_cookie(fields, name),
            Self::Set(name, value) => fields.set(name.clone(), value.clone()),
            Self::Disown(name) => disown(name, fields),
            Self::Vouch(name, value) => {
                disown(name, fields);
                fields.set(name.clone(), value.clone());
            }
            Self::Append(name, value) => fields.append(name.clone(), value.clone()),
            Self::Include(name, value) => {
                let has = |line: &HeaderValue| {
                    line.as_bytes().split(|byte| *byte == b',').any(|member| {
                        let member = member.trim_ascii();
                        member == b"*" || member.eq_ignore_ascii_case(value.as_bytes())
                    })
                };
                if !fields.map().get_all(name).iter().any(has) {
                    fields.append(name.clone(), value.clone());
                }
            }
        }
    }
}

/// Takes away whatever an endpoint may read as a field of this name.
fn disown(name: &HeaderName, fields: &mut impl Fields) {
    let names = fields.map().keys();
    let spelled = names.filter(|other| is_spelling(other.as_str(), name.as_str()));
    for other in &spelled.cloned().collect::<Vec<_>>() {
        fields.remove(other);
    }
}

/// Whether both are one name for those who take `_` for `-`.
fn is_spelling(one: &str, other: &str) -> bool {
    let same =
        |(a, b): (&u8, &u8)| a == b || (matches!(a, b'_' | b'-') && matches!(b, b'_' | b'-'));
    one.len() == other.len() && one.as_bytes().iter().zip(other.as_bytes()).all(same)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn what_is_vouched_for_is_said_by_nobody_else_in_any_spelling() {
        let mut fields = HeaderMap::new();
        for name in [
            "x-remote-user",
            "x_remote_user",
            "x-remote_user",
            "x-remote-users",
            "xremoteuser",
        ] {
            fields.append(
                HeaderName::from_static(name),
                HeaderValue::from_static("root"),
            );
        }
        let anna = HeaderValue::from_static("anna");
        let name = HeaderName::from_static("x-remote-user");
        let mut without = fields.clone();
        Edit::Vouch(name.clone(), anna.clone()).apply(&mut fields);
        let left: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
        assert_eq!(
            (fields.get("x-remote-user"), left.len()),
            (Some(&anna), 3),
            "{left:?}"
        );
        Edit::Disown(name).apply(&mut without);
        let mut left: Vec<_> = without.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["x-remote-users", "xremoteuser"]);
    }
}
