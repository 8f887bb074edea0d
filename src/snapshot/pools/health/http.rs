//! How does a written HTTP check become a request, and the answers that are good?

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use memchr::memmem;

use crate::config::Spanned;
use crate::config::pool::health::Health as Written;
use crate::config::pool::{Pool as WrittenPool, Protocol};
use crate::pool::HostRule;
use crate::pool::health::check::{AGENT, BodyRule, HttpQuestion};
use crate::snapshot::reporter::Reporter;

/// The largest compiled form of a regular expression, in bytes.
const REGEX_SIZE: usize = 1 << 20;

/// Compiles it; `None` if what is wrong leaves nothing to ask.
pub(super) fn question(
    pool: &WrittenPool,
    written: &Written,
    host: HostRule,
    reporter: &mut Reporter<'_>,
) -> Option<HttpQuestion> {
    let method = match &written.method {
        None => Method::GET,
        Some(method) => match Method::from_bytes(method.as_bytes()) {
            // Methods are case-sensitive (RFC 9110 §9.1), and no origin knows this one.
            Ok(_) if method.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                let upper = match method.to_ascii_uppercase() {
                    upper if upper == Method::CONNECT.as_str() => "GET".to_owned(),
                    upper => upper,
                };
                let hint = format!("methods are written in capitals, as `{upper}`");
                not_to_ask_with(method, &hint, reporter);
                Method::GET
            }
            Ok(known) if known != Method::CONNECT => known,
            _ => {
                not_to_ask_with(method, "GET, HEAD, …", reporter);
                Method::GET
            }
        },
    };
    if let (Some(body), &Method::HEAD) = (
        written.body.as_ref().or(written.body_regex.as_ref()),
        &method,
    ) {
        let hint = Some("use GET");
        reporter.error("health.method", body, "an answer to HEAD has no body", hint);
    }
    let path = match &written.path {
        None => Uri::from_static("/"),
        Some(path) => match path.parse::<Uri>() {
            Ok(uri) if path.starts_with('/') && uri.authority().is_none() => uri,
            _ => {
                reporter.error(
                    "health.path",
                    path,
                    format!("`{}` is not a path", path.escape_debug()),
                    Some("a path begins with `/`; what no URI may have in it is written as `%20`"),
                );
                Uri::from_static("/")
            }
        },
    };
    if let Some(status) = written.status.as_ref().filter(|list| list.value.is_empty()) {
        reporter.error(
            "health.status",
            status,
            "without a status code no check ever passes",
            Some("write `[200-299]`"),
        );
    }
    let statuses = written.statuses().into_iter();
    Some(HttpQuestion {
        method,
        path,
        host,
        headers: headers(written, reporter),
        http2: pool.protocol == Protocol::Http2,
        statuses: statuses.map(|status| status.codes()).collect(),
        body: body_rule(written, reporter)?,
    })
}

fn not_to_ask_with(method: &Spanned<String>, hint: &str, reporter: &mut Reporter<'_>) {
    let text = method.escape_debug();
    let message = format!("`{text}` is not a method to ask with");
    reporter.error("health.method", method, message, Some(hint));
}

fn headers(written: &Written, reporter: &mut Reporter<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in &written.headers {
        let key = format!("health.headers.{name}");
        let Ok(field) = HeaderName::try_from(name) else {
            let message = format!(
                "`{}` is not the name of a header field",
                name.escape_debug()
            );
            reporter.error(&key, value, message, None);
            continue;
        };
        if [CONNECTION, CONTENT_LENGTH, TE, TRANSFER_ENCODING, UPGRADE].contains(&field) {
            let message = format!("`{name}` belongs to the connection");
            reporter.error(&key, value, message, Some("leave it out"));
        } else if field == HOST {
            let message = "the host has a key of its own";
            reporter.error(&key, value, message, Some("write `health: { host: … }`"));
        } else if let Ok(content) = HeaderValue::try_from(value.as_str()) {
            headers.insert(field, content);
        } else {
            let message = "it can't be the value of a header field";
            reporter.error(&key, value, message, None);
        }
    }
    headers
}

/// `None` if there is one that can't be used.
fn body_rule(written: &Written, reporter: &mut Reporter<'_>) -> Option<Option<BodyRule>> {
    match (&written.body, &written.body_regex) {
        (None, None) => Some(None),
        (Some(_), Some(regex)) => {
            reporter.error(
                "health.body_regex",
                regex,
                "`body` and `body_regex` exclude each other",
                Some("remove one of them"),
            );
            None
        }
        (Some(text), None) => {
            if text.is_empty() {
                let hint = Some("remove it, and the body is not read");
                reporter.error("health.body", text, "every body contains nothing", hint);
            }
            let finder = memmem::Finder::new(text.as_bytes()).into_owned();
            Some(Some(BodyRule::Contains(Box::new(finder))))
        }
        (None, Some(regex)) => {
            let compiled = regex::bytes::RegexBuilder::new(regex)
                .size_limit(REGEX_SIZE)
                .build();
            match compiled {
                Ok(compiled) => Some(Some(BodyRule::Matches(compiled))),
                Err(error) => {
                    reporter.error("health.body_regex", regex, error.to_string(), None);
                    None
                }
            }
        }
    }
}
