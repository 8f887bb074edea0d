//! What does a reply look like?

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// A whole one: nothing of it is still to come.
pub type Answer = Response<Full<Bytes>>;

/// For who asks a process that has handed over.
pub fn leaving() -> Answer {
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        "the process is leaving; ask the one that follows it\n",
    )
}

/// For a method that is not among the `allowed` ones.
pub fn wrong_method(allowed: &'static str) -> Answer {
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("only {allowed} is answered here\n"),
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// For people.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    response(status, "text/plain; charset=utf-8", body.into())
}

/// For programs, and for people as well.
pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Our own types, whose keys are strings: writing them does not fail.
    let mut body = serde_json::to_vec_pretty(value).unwrap_or_default();
    body.push(b'\n');
    response(status, "application/json", Bytes::from(body))
}

fn response(status: StatusCode, media_type: &'static str, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
