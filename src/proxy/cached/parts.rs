//! What is kept of an object of which only ranges were asked for?
//!
//! Who seeks in a film should not have it fetched whole. The parts that were fetched are kept beside each other in memory
//! (RFC 9111 §3.3), answer for the ranges that they cover, and are an object like any other once nothing is missing.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{IF_RANGE, RANGE};
use http::{HeaderMap, Method, StatusCode};

use super::find::Place;
use super::flight::{Answer, Flight, Kept, Landing, NotKept};
use super::fly::{Next, next, passed_on};
use super::plan::Plan;
use crate::cache::key::hash;
use crate::cache::purge::Purged;
use crate::cache::report::Tier;
use crate::cache::rules::{Added, Bounds, Partial, Portion, portion, stored_fields};
use crate::cache::{Body, Cache, Chunks, Head, Object, Stored};
use crate::proxy::fetch::{self, Fetch};

/// How many parts are kept of one object.
const MOST: usize = 1024;

/// What a request with a range wants of an object that is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// All of it, from the beginning: it is fetched whole.
    All,
    /// A part, which is fetched as such.
    Part,
    /// What only the endpoint can tell.
    Other,
}

impl Wants {
    /// What these fields say.
    pub fn of(fields: &HeaderMap) -> Self {
        let mut lines = fields.get_all(RANGE).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Self::Other;
        };
        let Some(range) = line.as_bytes().strip_prefix(b"bytes=") else {
            return Self::Other;
        };
        if fields.contains_key(IF_RANGE) || range.contains(&b',') {
            Self::Other
        } else if range == b"0-" {
            Self::All
        } else {
            Self::Part
        }
    }
}

/// What the parts of an object are kept under.
fn key(whole: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(whole.len() + 2);
    key.extend_from_slice(whole);
    key.extend_from_slice(&[0, 2]);
    key
}

/// The parts that are kept of what is stored under this key.
fn kept(cache: &Cache, whole: &[u8]) -> Option<Arc<Object>> {
    let key = key(whole);
    match cache.memory.get(hash(&key))? {
        Stored::Object(object)
            if *object.key == *key && matches!(cache.purges.of(&object.head.marks), Purged::No) =>
        {
            Some(object)
        }
        _ => None,
    }
}

/// Forgets the parts that are kept of what is stored under this key.
pub fn forget(cache: &Cache, whole: &[u8]) {
    cache.memory.remove(hash(&key(whole)));
}

/// The parts that are kept of an object, if the range that is asked for is among them.
pub fn covering(
    cache: &Cache,
    place: &Place,
    method: &Method,
    asked: &HeaderMap,
) -> Option<Arc<Object>> {
    let object = kept(cache, &place.key)?;
    let Body::Parts(parts) = &object.body else {
        return None;
    };
    let (validators, length) = (&object.head.validators, parts.complete());
    let covers = match portion(method, asked, StatusCode::OK, validators, length) {
        Portion::One(range) => parts.covers(&range),
        Portion::Unsatisfiable => true,
        Portion::Whole | Portion::Many(_) => false,
    };
    covers.then_some(object)
}

/// Adds a part to those that are kept under the key of `object`, which has the head of the answer that brought it and no
/// body yet; `sent` are its fields, with `Content-Range`. Gives the whole object, once nothing of it is missing.
fn add(cache: &Cache, mut object: Object, sent: &HeaderMap, body: &[Bytes]) -> Option<Object> {
    let bounds = Bounds {
        bytes: cache.memory.largest(),
        pieces: MOST,
    };
    let before = kept(cache, &object.key);
    let before = before.as_ref().and_then(|before| match &before.body {
        Body::Parts(parts) => Some(Partial::clone(parts)),
        _ => None,
    });
    let parts = match before {
        Some(mut parts) => match parts.add(sent, body, &bounds) {
            Added::Kept | Added::Replaced => parts,
            Added::Refused => return None,
        },
        None => Partial::begin(sent, body, &bounds)?,
    };
    object.head.fields.clone_from(parts.fields());
    object.head.validators = parts.validators().clone();
    let key = key(&object.key);
    let hash = hash(&key);
    if let Some(whole) = parts.whole() {
        cache.memory.remove(hash);
        object.body = Body::Memory(Chunks::new(whole));
        return Some(object);
    }
    object.key = key.into();
    object.body = Body::Parts(Arc::new(parts));
    cache.memory.put(hash, Stored::Object(Arc::new(object)));
    None
}

impl Plan {
    /// Hands a part on, and adds it to those that are kept.
    pub(super) async fn bring_part(
        &self,
        flight: &Arc<Flight>,
        fetch: &Fetch,
        mut answer: fetch::Answer,
        requested: SystemTime,
    ) {
        let length = answer.length();
        // What would be said of the whole answer holds for its parts.
        let kept = self.judge(StatusCode::OK, fetch, answer.header(), length, requested);
        let largest = self.cache.memory.largest();
        let room = length.filter(|length| *length <= largest);
        let room = room.filter(|_| kept.is_ok());
        let mut room = room.and_then(|length| self.cache.room(length));
        let sent = answer.header().headers.clone();
        flight.pass();
        flight.land(Landing::Answer(Arc::new(Answer {
            status: answer.header().status,
            fields: passed_on(&sent),
            unshared: HeaderMap::new(),
            aged: false,
            version: answer.header().version,
            length,
            kept: Err(NotKept::Part),
            told: fetch.told(),
        })));
        let mut pieces = Vec::new();
        loop {
            let mut piece = match next(flight, &mut answer).await {
                Next::Piece(piece) => piece,
                Next::Whole => break,
                Next::Broken => return,
            };
            if let Some(room) = &mut room {
                piece = room.counted(piece);
                pieces.push(piece.clone());
            }
            if !flight.push(piece).await {
                return;
            }
        }
        if let (Ok(kept), true, false) = (kept, room.is_some(), flight.is_doomed()) {
            self.add_part(&kept, &sent, &pieces);
            if flight.is_doomed() {
                forget(&self.cache, &kept.key);
                self.cache.remove(kept.hash);
            }
        }
        flight.end(Ok(()));
        answer.end().await;
    }

    fn add_part(&self, kept: &Kept, sent: &HeaderMap, pieces: &[Bytes]) {
        let sent = stored_fields(sent);
        let head = Head::new(StatusCode::OK, &sent, kept.terms, self.marks(&sent));
        // In memory of their own.
        let sent = head.fields.clone();
        let part = Object {
            key: kept.key.clone(),
            head,
            body: Body::Memory(Chunks::new(Vec::new())),
        };
        let Some(whole) = add(&self.cache, part, &sent, pieces) else {
            return;
        };
        let stored = Stored::Object(Arc::new(whole));
        self.cache.memory.put(kept.hash, stored.clone());
        self.metrics.stored(Tier::Memory);
        if let Some(disk) = self.cache.disk() {
            disk.put(kept.hash, stored);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_range_from_the_beginning_to_the_end_is_all_and_a_part_is_one_range() {
        let wants = |lines: &[&'static str]| {
            let mut fields = HeaderMap::new();
            for line in lines {
                fields.append(RANGE, HeaderValue::from_static(line));
            }
            Wants::of(&fields)
        };
        assert_eq!(wants(&["bytes=0-"]), Wants::All);
        assert_eq!(wants(&["bytes=0-99"]), Wants::Part);
        assert_eq!(wants(&["bytes=-5"]), Wants::Part);
        assert_eq!(wants(&["bytes=1-2,5-6"]), Wants::Other);
        assert_eq!(wants(&["lines=1-2"]), Wants::Other);
        assert_eq!(wants(&["bytes=1-2", "bytes=1-2"]), Wants::Other);
    }

    #[test]
    fn a_part_under_a_condition_is_for_the_endpoint() {
        let mut fields = HeaderMap::new();
        fields.insert(RANGE, HeaderValue::from_static("bytes=1-2"));
        fields.insert(IF_RANGE, HeaderValue::from_static("\"a\""));
        assert_eq!(Wants::of(&fields), Wants::Other);
    }
}
