//! How does a written forward_auth become a policy?

use std::sync::Arc;

use http::header::{EXPECT, HOST};
use http::{HeaderName, Method, Uri};

use crate::config::access::{ForwardAuth as Written, ForwardAuthMethod, OnFailure};
use crate::config::{Route as WrittenRoute, Spanned};
use crate::error::Reason;
use crate::policy::access::Access;
use crate::policy::access::forward_auth::{ForwardAuth, Rules, is_told};
use crate::policy::headers::FRAMING;
use crate::pool::{Pool, Protocol};
use crate::snapshot::reporter::Reporter;
use crate::snapshot::routes::Known;

/// That of a route, if it has one.
pub(super) fn of_route(
    written: &WrittenRoute,
    known: &Known<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Arc<dyn Access>> {
    let auth = &written.forward_auth.as_ref()?.value;
    if let (None, Some(first)) = (&written.pool, auth.response_headers.first()) {
        let message = "on a route without a pool there is no endpoint to give them to";
        reporter.error("forward_auth.response_headers", first, message, None);
    }
    let pool = pool(auth, known, reporter);
    let target = target(auth, reporter);
    if auth.timeout.is_zero() {
        let message = "a time of 0 would end every subrequest";
        reporter.error("forward_auth.timeout", &auth.timeout, message, None);
    }
    let mut names = |key: &str, written: &[Spanned<String>]| names(key, written, reporter);
    let asked_with = names("request_headers", &auth.request_headers);
    let to_endpoint = names("response_headers", &auth.response_headers);
    let to_client = names("client_headers", &auth.client_headers);
    let refusal = refusal(auth, reporter);
    let rules = Rules {
        pool: Arc::clone(pool?),
        target,
        method: match auth.method {
            ForwardAuthMethod::Get => Method::GET,
            ForwardAuthMethod::Head => Method::HEAD,
        },
        timeout: auth.timeout.as_duration(),
        asked_with,
        to_endpoint,
        to_client,
        refusal,
    };
    Some(Arc::new(ForwardAuth::new(rules)))
}

fn pool<'k>(
    auth: &Written,
    known: &Known<'k>,
    reporter: &mut Reporter<'_>,
) -> Option<&'k Arc<Pool>> {
    let key = "forward_auth.pool";
    let pool = known.pool(key, &auth.pool, reporter)?;
    if pool.protocol == Protocol::Http2 {
        let message = format!(
            "the pool `{}` speaks HTTP/2, and subrequests are HTTP/1.1",
            pool.name
        );
        let hint = "give the service a pool with `protocol: http1`";
        reporter.error(key, &auth.pool, message, Some(hint));
    }
    Some(pool)
}

fn target(auth: &Written, reporter: &mut Reporter<'_>) -> Option<Box<str>> {
    let path = auth.path.as_ref()?;
    let parsed = path.parse::<Uri>().ok();
    if parsed.is_none_or(|uri| !path.starts_with('/') || uri.authority().is_some()) {
        let message = format!("`{}` is not a path", path.escape_debug());
        let hint = "a path begins with `/`; what no URI may have in it is written as `%20`";
        reporter.error("forward_auth.path", path, message, Some(hint));
    }
    Some(path.value.as_str().into())
}

/// What a refusal says; `None` if there is none.
fn refusal(auth: &Written, reporter: &mut Reporter<'_>) -> Option<Reason> {
    let refuses = auth.on_failure.value == OnFailure::Refuse;
    let mut reason = Reason::AuthUnavailable;
    if let Some(status) = &auth.status {
        let key = "forward_auth.status";
        match status.value {
            _ if !refuses => {
                let message = "with `on_failure: allow` nothing is refused";
                reporter.error(key, status, message, Some("remove one of them"));
            }
            Written::STATUS => {}
            403 => reason = Reason::AuthUnavailableForbidden,
            other => {
                let message = format!("{other} is not a status for a service that gives no answer");
                reporter.error(key, status, message, Some("write 503 or 403"));
            }
        }
    }
    refuses.then_some(reason)
}

fn names(
    list: &str,
    written: &[Spanned<String>],
    reporter: &mut Reporter<'_>,
) -> Box<[HeaderName]> {
    let mut names = Vec::with_capacity(written.len());
    for (index, name) in written.iter().enumerate() {
        let key = format!("forward_auth.{list}[{index}]");
        let text = name.value.escape_debug();
        let mut wrong = |message: String, hint| reporter.error(&key, name, message, hint);
        match HeaderName::try_from(name.value.as_str()) {
            Err(_) => wrong(format!("`{text}` is not the name of a header field"), None),
            Ok(field) if FRAMING.contains(&field.as_str()) || [EXPECT, HOST].contains(&field) => {
                wrong(
                    format!("`{text}` belongs to one request and its connection"),
                    None,
                );
            }
            Ok(field) if list == "request_headers" && is_told(&field) => {
                let hint = "the service is always told it; remove it";
                wrong(format!("`{text}` is not the client's to say"), Some(hint));
            }
            Ok(field) if names.contains(&field) => wrong(format!("`{text}` is listed twice"), None),
            Ok(field) => names.push(field),
        }
    }
    names.into()
}
