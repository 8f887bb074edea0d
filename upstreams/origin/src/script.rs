//! Which answers has a test set up for a path, and what was asked there?

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};

/// How much of a request body [`Asked::body`] keeps, in bytes.
pub(crate) const KEPT_BYTES: usize = 64 * 1024;

/// One answer of one's own, for [`Origin::script`](crate::Origin::script).
///
/// Without more it is complete at once, has its `content-length`, and is the same whatever the
/// request asks for. `date` is as [`Builder::date`](crate::Builder::date) says, unless the answer
/// has one of its own. One that cannot be made (a status or a field that is none) is answered
/// with 500 and the reason.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    /// Fields that only a 304 has, in place of `fields` of the same name.
    pub(crate) unmodified_fields: HeaderMap,
    pub(crate) parts: Vec<Part>,
    pub(crate) before: Vec<Wait>,
    pub(crate) chunked: bool,
    pub(crate) validates: bool,
    pub(crate) ranges: bool,
    pub(crate) closes: bool,
    pub(crate) wrong: Option<String>,
}

/// What the body of a scripted answer does next.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Send(Bytes),
    Wait(Wait),
    BreakOff,
}

/// What an answer waits for.
#[derive(Clone, Debug)]
pub(crate) enum Wait {
    Time(Duration),
    Released(String),
}

impl Scripted {
    /// An answer of this status (200-599) without body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let known = StatusCode::from_u16(status).ok();
        let mut scripted = Self::default();
        match known.filter(|_| (200..600).contains(&status)) {
            Some(status) => scripted.status = status,
            None => scripted.wrong = Some(format!("`{status}` is no status of an answer")),
        }
        scripted
    }

    /// Another field; a name may come again.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Some((name, value)) = self.read(name, value.as_ref()) {
            self.fields.append(name, value);
        }
        self
    }

    /// A further piece of the body.
    #[must_use]
    pub fn body(self, piece: impl Into<Bytes>) -> Self {
        self.part(Part::Send(piece.into()))
    }

    /// Nothing is said before [`Origin::release_one`](crate::Origin::release_one) was called with
    /// this name (or all was released).
    #[must_use]
    pub fn held(mut self, name: &str) -> Self {
        self.before.push(Wait::Released(name.to_owned()));
        self
    }

    /// Nothing is said before this time is over.
    #[must_use]
    pub fn delay(mut self, time: Duration) -> Self {
        self.before.push(Wait::Time(time));
        self
    }

    /// What follows of the body waits as [`Scripted::held`] does; the header and what came before
    /// are sent.
    #[must_use]
    pub fn until(self, name: &str) -> Self {
        self.part(Part::Wait(Wait::Released(name.to_owned())))
    }

    /// What follows of the body waits for this time; the header and what came before are sent.
    #[must_use]
    pub fn pause(self, time: Duration) -> Self {
        self.part(Part::Wait(Wait::Time(time)))
    }

    /// The body ends here without being complete: the connection closes (HTTP/1) or the stream is
    /// reset (HTTP/2). The `content-length` promises what follows; one byte, if nothing does.
    #[must_use]
    pub fn break_off(self) -> Self {
        self.part(Part::BreakOff)
    }

    /// No `content-length`.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// The connection closes after the answer (HTTP/1). With [`Scripted::chunked`] towards an
    /// HTTP/1.0 client that is how the body ends.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Answers 304 without body where `If-None-Match`, or without it `If-Modified-Since`, matches
    /// the answer's `ETag` (weakly) or `Last-Modified` (to the letter). The 304 has the answer's
    /// fields, but for `Content-Length` and `Content-Type`.
    #[must_use]
    pub fn validates(mut self) -> Self {
        self.validates = true;
        self
    }

    /// As [`Scripted::validates`]; this field is in the 304 instead of the answer's of that name.
    #[must_use]
    pub fn unmodified_field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if let Some((name, value)) = self.read(name, value.as_ref()) {
            self.unmodified_fields.append(name, value);
        }
        self.validates()
    }

    /// Answers `Range` of one range with 206, or 416, unless `If-Range` says otherwise. Several
    /// ranges are answered with all of it.
    #[must_use]
    pub fn ranges(mut self) -> Self {
        self.ranges = true;
        self
    }

    /// How long the body is, if nothing breaks it off.
    pub(crate) fn length(&self) -> u64 {
        let lengths = self.parts.iter().map(|part| match part {
            Part::Send(bytes) => bytes.len() as u64,
            _ => 0,
        });
        let missing = u64::from(matches!(self.parts.last(), Some(Part::BreakOff)));
        lengths.sum::<u64>() + missing
    }

    fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    fn read(&mut self, name: &str, value: &[u8]) -> Option<(HeaderName, HeaderValue)> {
        let read_name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value);
        if let (Ok(name), Ok(value)) = (read_name, value) {
            return Some((name, value));
        }
        self.wrong = Some(format!("the field `{name}` cannot be sent"));
        None
    }
}

/// A request that a scripted path was sent.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub target: String,
    /// `Host`, or what stands for it over HTTP/2.
    pub authority: String,
    /// Its version.
    pub version: Version,
    /// Its fields.
    pub fields: HeaderMap,
    /// Its body, or the first 64 KiB.
    pub body: Bytes,
    /// When it was read.
    pub at: Instant,
}

impl Asked {
    pub(crate) fn new(head: &Parts, body: Bytes) -> Self {
        let host = || head.headers.get(header::HOST)?.to_str().ok();
        let authority = head.uri.authority().map(|authority| authority.as_str());
        Self {
            method: head.method.clone(),
            target: target(head).to_owned(),
            authority: authority.or_else(host).unwrap_or_default().to_owned(),
            version: head.version,
            fields: head.headers.clone(),
            body,
            at: Instant::now(),
        }
    }

    /// The value of this field, the first of several; empty without one or if it is no text.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        let value = self.fields.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

fn target(head: &Parts) -> &str {
    head.uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
}

/// Makes the answer to a request; the number counts those before it.
type Make = Arc<dyn Fn(&Asked, usize) -> Scripted + Send + Sync>;

/// The scripted paths of an origin.
#[derive(Default)]
pub(crate) struct Scripts {
    /// Whether there are any: without, a request costs one load.
    any: AtomicBool,
    by_path: Mutex<HashMap<String, Script>>,
}

struct Script {
    make: Make,
    asked: Vec<Asked>,
    /// How many of `asked` were answered by a former script of this path.
    former: usize,
}

impl Scripts {
    pub(crate) fn set(&self, path: &str, make: Make) {
        let mut by_path = self.lock();
        let asked = by_path.remove(path).map(|script| script.asked);
        let asked = asked.unwrap_or_default();
        let former = asked.len();
        let script = Script {
            make,
            asked,
            former,
        };
        by_path.insert(path.to_owned(), script);
        self.any.store(true, Ordering::Release);
    }

    /// Whether this request is answered by a script.
    pub(crate) fn has(&self, head: &Parts) -> bool {
        self.any.load(Ordering::Acquire) && find(&mut self.lock(), head).is_some()
    }

    /// The answer to this request, which is recorded.
    pub(crate) fn answer(&self, head: &Parts, body: Bytes) -> Option<Scripted> {
        let asked = Asked::new(head, body);
        let (make, number) = {
            let mut by_path = self.lock();
            let script = find(&mut by_path, head)?;
            script.asked.push(asked.clone());
            let number = script.asked.len() - 1 - script.former;
            (script.make.clone(), number)
        };
        Some(make(&asked, number))
    }

    pub(crate) fn asked<T>(&self, path: &str, look: impl FnOnce(&[Asked]) -> T) -> T {
        let by_path = self.lock();
        look(
            by_path
                .get(path)
                .map_or(&[], |script| script.asked.as_slice()),
        )
    }

    /// Nothing is left half done under the lock, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Script>> {
        self.by_path.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The script with this query, else with this path, else of the longest beginning.
fn find<'s>(by_path: &'s mut HashMap<String, Script>, head: &Parts) -> Option<&'s mut Script> {
    let (target, path) = (target(head), head.uri.path());
    let key = [target, path]
        .into_iter()
        .find(|key| by_path.contains_key(*key))
        .map(str::to_owned)
        .or_else(|| {
            let begins = |key: &&String| {
                key.strip_suffix('*')
                    .is_some_and(|start| path.starts_with(start))
            };
            by_path
                .keys()
                .filter(begins)
                .max_by_key(|key| key.len())
                .cloned()
        })?;
    by_path.get_mut(&key)
}

/// The answers of a list one after the other; the last one again and again.
pub(crate) fn one_after_the_other(answers: Vec<Scripted>) -> Make {
    Arc::new(move |_, number| {
        let answer = answers.get(number).or(answers.last());
        answer.cloned().unwrap_or_else(|| Scripted::new(404))
    })
}
