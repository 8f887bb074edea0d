//! How is an answer of a test's own given?

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::{Answer, Asked, breaking};
use crate::answer::{Content, Released, Step};
use crate::script::{Part, Scripted, Wait};

/// The answer that a script has for this request, if its path has one.
pub(super) fn answer(asked: &Asked, body: Bytes) -> Option<Answer> {
    let scripts = &asked.shared.scripts;
    if !scripts.has(&asked.head) {
        return None;
    }
    let mut scripted = scripts.answer(&asked.head, body)?;
    if let Some(wrong) = scripted.wrong {
        return Some(Answer::text(StatusCode::INTERNAL_SERVER_ERROR, wrong));
    }
    let before = std::mem::take(&mut scripted.before);
    let response = respond(scripted, asked);
    Some(match before.is_empty() {
        true => Answer::Response(response),
        false => Answer::Held(wait(asked, before), response),
    })
}

/// Resolves when all of these are over.
fn wait(asked: &Asked, waits: Vec<Wait>) -> Released {
    let shared = asked.shared.clone();
    Box::pin(async move {
        for wait in waits {
            match wait {
                Wait::Time(time) => tokio::time::sleep(time).await,
                Wait::Released(name) => shared.released(&name).await,
            }
        }
    })
}

fn respond(scripted: Scripted, asked: &Asked) -> Response<Content> {
    let request = &asked.head.headers;
    let mut status = scripted.status;
    let mut fields = scripted.fields.clone();
    if scripted.closes && !asked.is_http2() {
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let length = scripted.length();
    let mut sent = 0..length;
    if scripted.ranges {
        fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    if scripted.validates && is_unmodified(request, &scripted.fields) {
        status = StatusCode::NOT_MODIFIED;
        for name in [CONTENT_LENGTH, CONTENT_TYPE] {
            fields.remove(name);
        }
        for name in scripted.unmodified_fields.keys() {
            fields.remove(name);
        }
        fields.extend(scripted.unmodified_fields.clone());
        return response(status, fields, Content::EMPTY);
    }
    if scripted.ranges && asked.head.method == Method::GET {
        match wanted(request, &scripted.fields, length) {
            None => {}
            Some(Some(range)) => {
                status = StatusCode::PARTIAL_CONTENT;
                let (first, last) = (range.start, range.end - 1);
                fields.insert(
                    CONTENT_RANGE,
                    text(&format!("bytes {first}-{last}/{length}")),
                );
                sent = range;
            }
            Some(None) => {
                fields.insert(CONTENT_RANGE, text(&format!("bytes */{length}")));
                return response(StatusCode::RANGE_NOT_SATISFIABLE, fields, Content::EMPTY);
            }
        }
    }
    let content = content(scripted, asked, sent);
    response(status, fields, content)
}

fn response(status: StatusCode, fields: HeaderMap, content: Content) -> Response<Content> {
    let mut response = Response::new(content);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

/// A value of printable ASCII, which every caller makes.
fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// These bytes of the body, with the waits and breaks in between.
fn content(scripted: Scripted, asked: &Asked, sent: Range<u64>) -> Content {
    let announced = (!scripted.chunked).then_some(sent.end - sent.start);
    if announced == Some(0) {
        return Content::EMPTY;
    }
    let mut steps = VecDeque::new();
    let mut at = 0;
    for part in scripted.parts {
        match part {
            Part::Send(bytes) => {
                let (start, end) = (at, at + bytes.len() as u64);
                at = end;
                let from = sent.start.clamp(start, end) - start;
                let to = sent.end.clamp(start, end) - start;
                if from < to {
                    steps.push_back(Step::Send(bytes.slice(from as usize..to as usize)));
                }
            }
            Part::Wait(Wait::Time(time)) => steps.push_back(Step::Pause(time)),
            Part::Wait(Wait::Released(name)) => {
                steps.push_back(Step::Until(asked.shared.released(&name)));
            }
            Part::BreakOff => {
                steps.extend(breaking::break_off(asked));
                break;
            }
        }
    }
    match (steps.len(), steps.pop_front()) {
        (1, Some(Step::Send(bytes))) if announced.is_some() => Content::Whole(bytes),
        (_, first) => Content::script(announced, Box::new(first.into_iter().chain(steps))),
    }
}

fn is_unmodified(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let mut none_match = request.get_all(IF_NONE_MATCH).iter().peekable();
    if none_match.peek().is_some() {
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let own = answer
            .get(ETAG)
            .and_then(|tag| tag.to_str().ok())
            .map(opaque);
        return none_match
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|tag| tag.trim() == "*" || Some(opaque(tag)) == own);
    }
    let since = request.get(IF_MODIFIED_SINCE);
    since.is_some() && since == answer.get(LAST_MODIFIED)
}

/// `None` for all of it, `Some(None)` for a range that is not there.
fn wanted(request: &HeaderMap, answer: &HeaderMap, length: u64) -> Option<Option<Range<u64>>> {
    if let Some(condition) = request.get(IF_RANGE)
        && Some(condition) != answer.get(ETAG)
        && Some(condition) != answer.get(LAST_MODIFIED)
    {
        return None;
    }
    let range = request.get(RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => length.saturating_sub(suffix.parse().ok()?)..length,
        (first, "") => first.parse().ok()?..length,
        (first, last) => {
            let last = last.parse::<u64>().ok()?;
            first.parse().ok()?..last.saturating_add(1).min(length)
        }
    };
    Some((range.start < range.end).then_some(range))
}
