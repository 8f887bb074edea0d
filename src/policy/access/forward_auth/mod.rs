//! May the request go on, by the word of another service? What it is asked, and what its answer means.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::subrequest::{Judge, Subrequest, Unanswered};
use super::{Access, Asked, Edit, Granted, Refusal, Reply, Ruling, Verdict};
use crate::error::Reason;
use crate::pool::Pool;

/// What the service is told about a request, whatever fields of the client's it is given: the names Traefik and Caddy
/// use, and those of nginx' users. `X-Forwarded-Host` and `X-Request-ID` are added when it is asked.
static X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
static X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");

/// Whether a field of this name is told to the service by ourselves, so that the client's own can't be given to it.
pub fn is_told(name: &HeaderName) -> bool {
    const TOLD: [&str; 8] = [
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-method",
        "x-forwarded-proto",
        "x-forwarded-uri",
        "x-original-method",
        "x-original-uri",
        "x-request-id",
    ];
    TOLD.contains(&name.as_str())
}

/// Asks a service about each request.
pub struct ForwardAuth {
    rules: Arc<Rules>,
}

/// What is asked, and what follows from the answer.
pub struct Rules {
    /// The service's pool.
    pub pool: Arc<Pool>,
    /// What is asked for; `None` for the request's own path and query.
    pub target: Option<Box<str>>,
    /// With which method.
    pub method: Method,
    /// How long it may take.
    pub timeout: Duration,
    /// Fields of the request that it is given.
    pub asked_with: Box<[HeaderName]>,
    /// Fields of its answer for the endpoint.
    pub to_endpoint: Box<[HeaderName]>,
    /// Fields of its answer for the client.
    pub to_client: Box<[HeaderName]>,
    /// What follows when there is no answer; `None` lets the request pass.
    pub refusal: Option<Reason>,
}

impl ForwardAuth {
    /// By these rules.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules: Arc::new(rules),
        }
    }
}

impl Access for ForwardAuth {
    fn decide(&self, asked: &Asked<'_>, granted: &mut Granted) -> Verdict {
        let question = self.rules.question(asked, granted);
        // What only the service may say does not come from the client, however it is spelled.
        let told = self.rules.to_endpoint.iter().cloned();
        granted.to_endpoint.extend(told.map(Edit::Disown));
        let Some((target, fields)) = question else {
            return Verdict::refuse(Refusal::new(Reason::BadRequest));
        };
        let pool = &self.rules.pool;
        Verdict::Ask(Box::new(Subrequest {
            key: pool
                .key
                .as_ref()
                .and_then(|key| key.of(asked.request, asked.client)),
            pool: Arc::clone(pool),
            method: self.rules.method.clone(),
            target,
            fields,
            timeout: self.rules.timeout,
            judge: Arc::clone(&self.rules) as Arc<dyn Judge>,
        }))
    }
}

impl Rules {
    /// Target and fields of the question; `None` if the request has something that can't stand in a field. Of the request it
    /// has what the endpoint would get: passwords, keys and tokens that policies before have taken away are not for the
    /// service either.
    fn question(&self, asked: &Asked<'_>, granted: &Granted) -> Option<(String, HeaderMap)> {
        let request = asked.request;
        let uri = match asked.told_query {
            Some(query) => format!("{}?{query}", request.path),
            None => request.path.to_owned(),
        };
        let mut given = Cow::Borrowed(request.headers);
        if !granted.to_endpoint.is_empty() {
            let edited = given.to_mut();
            for edit in &granted.to_endpoint {
                edit.apply(edited);
            }
        }
        let mut fields = HeaderMap::with_capacity(self.asked_with.len() + 10);
        for name in &self.asked_with {
            copy(name, &given, &mut fields);
        }
        let told = HeaderValue::from_bytes(uri.as_bytes()).ok()?;
        let method = HeaderValue::from_bytes(request.method.as_str().as_bytes()).ok()?;
        fields.insert(X_FORWARDED_URI.clone(), told.clone());
        fields.insert(X_ORIGINAL_URI.clone(), told);
        fields.insert(X_FORWARDED_METHOD.clone(), method.clone());
        fields.insert(X_ORIGINAL_METHOD.clone(), method);
        let scheme = HeaderValue::from_static(asked.scheme.as_str());
        fields.insert(X_FORWARDED_PROTO.clone(), scheme);
        if let Some(address) = asked.client.and_then(address) {
            fields.insert(X_FORWARDED_FOR.clone(), address);
        }
        let target = match &self.target {
            Some(target) => target.as_ref().to_owned(),
            // `OPTIONS *` asks about no path, and no other method can.
            None if uri.starts_with('*') => "/".to_owned(),
            None => uri,
        };
        Some((target, fields))
    }

    fn no_answer(&self, retry_after: Option<Duration>) -> Ruling {
        match self.refusal {
            Some(reason) => Ruling::Refuse(Refusal {
                reason,
                retry_after,
            }),
            None => Ruling::Pass,
        }
    }
}

impl Judge for Rules {
    fn judge(&self, answered: Result<Reply, Unanswered>, granted: &mut Granted) -> Ruling {
        let reply = match answered {
            Ok(reply) => reply,
            Err(unanswered) => return self.no_answer(unanswered.retry_after),
        };
        if reply.status.is_success() {
            for name in &self.to_endpoint {
                let values = values(&reply, name);
                let edits = values.map(|value| Edit::Append(name.clone(), value.clone()));
                granted.to_endpoint.extend(edits);
            }
            for name in &self.to_client {
                granted.to_client.extend(told_to_client(&reply, name));
            }
            Ruling::Pass
        } else if reply.status.is_redirection() || reply.status.is_client_error() {
            Ruling::Answer(Box::new(without_length(reply)))
        } else {
            self.no_answer(None)
        }
    }
}

/// Copies a field. HTTP/2 may have split a cookie into crumbs, which only HTTP/2 puts together again (RFC 9113 §8.2.3).
fn copy(name: &HeaderName, from: &HeaderMap, to: &mut HeaderMap) {
    let lines = from.get_all(name);
    if *name == COOKIE && lines.iter().nth(1).is_some() {
        let crumbs: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
        if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
            to.insert(name.clone(), joined);
        }
        return;
    }
    for line in lines {
        to.append(name.clone(), line.clone());
    }
}

fn address(address: IpAddr) -> Option<HeaderValue> {
    HeaderValue::try_from(address.to_string()).ok()
}

fn values<'r>(reply: &'r Reply, name: &'r HeaderName) -> impl Iterator<Item = &'r HeaderValue> {
    let of_name = reply.fields.iter().filter(move |(own, _)| own == name);
    of_name.map(|(_, value)| value)
}

/// A cookie of the service's stands beside those of the endpoint; any other field of it is the only one of its name.
fn told_to_client(reply: &Reply, name: &HeaderName) -> Vec<Edit> {
    let edit = |(index, value): (usize, &HeaderValue)| match index {
        0 if *name != SET_COOKIE => Edit::Set(name.clone(), value.clone()),
        _ => Edit::Append(name.clone(), value.clone()),
    };
    values(reply, name).enumerate().map(edit).collect()
}

/// Its length is that of the body which goes to the client: an answer to HEAD had another one.
fn without_length(mut reply: Reply) -> Reply {
    reply.fields.retain(|(name, _)| *name != CONTENT_LENGTH);
    reply
}

#[cfg(test)]
mod tests;
