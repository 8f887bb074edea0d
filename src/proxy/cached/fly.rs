//! What does a fetch do with what it brings: hand it on, store it, or both?

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, ACCEPT_RANGES, AGE, CONTENT_LENGTH, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use pingora::http::ResponseHeader;

use super::find::{Place, write_variant};
use super::flight::{Answer, Flight, Kept, Landing, NotKept};
use super::flights::{Flights, Held};
use super::parts;
use crate::cache::alive::Room;
use crate::cache::key::hash;
use crate::cache::purge::{Begun, Marks, tags};
use crate::cache::report::Tier;
use crate::cache::rules::{
    Answered, Asked, Refusal, Validators, Vary, ask_for_the_whole, ask_whether_modified, freshen,
    freshened, keep, same_representation, stored_fields, unshared_fields,
};
use crate::cache::{Body, Cache, Chunks, Head, Object, Rule, Stored};
use crate::error::{Phase, ProxyError, Reason};
use crate::proxy::fetch::{self, Fetch};
use crate::proxy::forward::{Keep, strip_response};
use crate::telemetry::metrics::CacheMetrics;

/// How long requests for what can't be stored do not wait for each other, nor ask for the whole.
const PASSES: Duration = Duration::from_secs(10);

/// Up to here a body is stored in one piece.
const ONE_PIECE: usize = 64 * 1024;

/// From here on a body whose length is not known goes to disk.
const TO_DISK: u64 = 256 * 1024;

/// What a fetch goes by.
pub struct Plan {
    /// Where it is stored.
    pub cache: Arc<Cache>,
    /// The flights it is one of.
    pub flights: Arc<Flights>,
    /// What its route's cache does.
    pub rule: Arc<Rule>,
    /// What it is stored under.
    pub place: Place,
    /// Its address, for purges.
    pub url: String,
    /// The fields of the request, as the client sent them.
    pub asked: HeaderMap,
    /// Whether our own policies tie the request to a user.
    pub identified: bool,
    /// What is stored, if it is to be asked whether that is still good.
    pub stored: Option<Arc<Object>>,
    /// Whether only the range that the request asks for is fetched.
    pub part: bool,
    /// When the fetch began, in the order of purges; it lasts until what it brings is stored.
    pub begun: Begun,
    /// What is counted.
    pub metrics: Arc<CacheMetrics>,
    /// Whether the route compresses, so that what is stored should not be.
    pub identity: bool,
}

/// Fetches, on a task of its own.
pub async fn fly(flight: Arc<Flight>, mut fetch: Fetch, plan: Plan) {
    let ends = Ends {
        flight: &flight,
        flights: &plan.flights,
        primary: plan.place.primary,
    };
    plan.prepare(&mut fetch);
    let requested = SystemTime::now();
    let mut answer = match fetch.ask().await {
        Ok(answer) => answer,
        Err(error) => {
            flight.land(Landing::Failed(error, Box::new(fetch.told())));
            return;
        }
    };
    let mut requested = requested;
    if let Some(stored) = plan
        .stored
        .as_ref()
        .filter(|_| answer.header().status == StatusCode::NOT_MODIFIED)
    {
        if same_representation(&stored.head.validators, &answer.header().headers) {
            let (object, shared) = plan.good(stored, answer.header(), requested, &flight);
            let told = Box::new(fetch.told());
            flight.land(Landing::Good {
                object,
                told,
                shared,
            });
            answer.end().await;
            return;
        }
        // It speaks of another version (RFC 9111 §4.3.3): only the whole answer helps.
        answer.end().await;
        fetch.edit(ask_for_the_whole);
        requested = SystemTime::now();
        answer = match fetch.ask().await {
            Ok(answer) => answer,
            Err(error) => {
                flight.land(Landing::Failed(error, Box::new(fetch.told())));
                return;
            }
        };
    }
    plan.bring(&flight, &fetch, answer, requested).await;
    drop(ends);
}

/// However a flight ends, nobody waits for it after that.
struct Ends<'f> {
    flight: &'f Arc<Flight>,
    flights: &'f Flights,
    primary: u128,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let internal = ProxyError::new(Reason::Internal, Phase::Response);
        self.flights.arrive(self.primary, self.flight);
        self.flight.land(Landing::Failed(internal, Box::default()));
        self.flight.end(Err(internal));
    }
}

impl Plan {
    /// Makes the client's request into that for the object.
    fn prepare(&self, fetch: &mut Fetch) {
        fetch.header_mut().set_method(Method::GET);
        fetch.edit(|fields| {
            let range = fields.get(RANGE).filter(|_| self.part).cloned();
            match &self.stored {
                Some(stored) => ask_whether_modified(fields, &stored.head.validators),
                None => ask_for_the_whole(fields),
            }
            if let Some(range) = range {
                fields.insert(RANGE, range);
            }
            if self.identity {
                fields.remove(ACCEPT_ENCODING);
            }
        });
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            method: &Method::GET,
            fields: &self.asked,
            identified: self.identified,
        }
    }

    /// Whether what is stored could be used if no client wished for something newer.
    fn has_fresh(&self) -> bool {
        let now = SystemTime::now();
        let stored = self.stored.as_ref();
        stored.is_some_and(|stored| stored.head.terms.is_fresh(None, now))
    }

    fn marks(&self, fields: &HeaderMap) -> Marks {
        Marks {
            since: self.begun.since(),
            url: self.url.as_str().into(),
            tags: tags(fields),
        }
    }

    /// The stored object, which is good again: on the terms of what was said now (RFC 9111 §4.3.4), and whether that was
    /// said to all. What is for one request alone changes nothing for the others.
    fn good(
        &self,
        stored: &Arc<Object>,
        newer: &ResponseHeader,
        requested: SystemTime,
        flight: &Flight,
    ) -> (Arc<Object>, bool) {
        let mut fields = stored.head.fields.clone();
        freshen(&mut fields, &newer.headers);
        let status = stored.head.status;
        let answered = answered(newer, requested);
        let settings = &self.rule.settings;
        let mut terms = freshened(&self.asked(), status, &fields, &answered, settings);
        if terms.is_ok() && !self.varies_as_before(&fields) {
            terms = Err(Refusal::VaryAny);
        }
        let fields = compact(&stored_fields(&fields));
        let head = Head {
            status,
            validators: Validators::of(&fields),
            terms: terms.unwrap_or(stored.head.terms),
            marks: self.marks(&fields),
            fields,
        };
        let object = Arc::new(Object {
            key: stored.key.clone(),
            head,
            body: stored.body.clone(),
        });
        let hash = hash(&object.key);
        match terms {
            Ok(_) if !flight.is_doomed() => {
                self.cache
                    .memory
                    .put(hash, Stored::Object(Arc::clone(&object)));
                if let Some(disk) = self.cache.disk() {
                    disk.freshened(hash, &object);
                }
                self.forget_if_doomed(flight, hash);
            }
            Err(refusal) if refusal.lasting() && !self.identified => self.cache.remove(hash),
            // Whoever invalidated it has removed it.
            Ok(_) | Err(_) => {}
        }
        (object, terms.is_ok())
    }

    /// Whether the fields by which a response varies are among those that its key goes by.
    fn varies_as_before(&self, fields: &HeaderMap) -> bool {
        let names = match Vary::of(fields) {
            Vary::None => return true,
            Vary::Any => return false,
            Vary::On(names) => names,
        };
        let known = match self.cache.memory.get(self.place.primary) {
            Some(Stored::Varies(varies)) => Some(varies),
            _ => None,
        };
        names.iter().all(|name| {
            let in_key = known
                .as_ref()
                .is_some_and(|known| known.names.contains(name));
            in_key || self.identity && *name == ACCEPT_ENCODING
        })
    }

    /// An invalidation that came while it was being stored must not be lost.
    fn forget_if_doomed(&self, flight: &Flight, hash: u128) {
        if flight.is_doomed() {
            self.cache.remove(hash);
        }
    }

    /// Hands an answer on, and stores it if it may be.
    async fn bring(
        &self,
        flight: &Arc<Flight>,
        fetch: &Fetch,
        mut answer: fetch::Answer,
        requested: SystemTime,
    ) {
        let (status, length) = (answer.header().status, answer.length());
        if self.part && status == StatusCode::PARTIAL_CONTENT {
            return self.bring_part(flight, fetch, answer, requested).await;
        }
        let kept = match self.part && status != StatusCode::OK {
            // What is said to a range says nothing about the whole: a 416 would be the answer to all.
            true => Err(NotKept::Part),
            false => self.judge(status, fetch, answer.header(), length, requested),
        };
        let until = Instant::now() + PASSES;
        match &kept {
            Err(NotKept::Refused(Refusal::Authorization)) => {
                self.cache.put_somebodys(self.place.hash, until);
            }
            Err(NotKept::Refused(refusal)) if refusal.lasting() && !self.has_fresh() => {
                self.cache.put_passing(self.place.hash, until);
            }
            _ => {}
        }
        let mut keeper = match &kept {
            Ok(_) => Keeper::new(self, length),
            Err(_) => None,
        };
        let kept = match &keeper {
            Some(_) => kept,
            None => kept.and(Err(NotKept::TooLarge)),
        };
        let sent = &answer.header().headers;
        let (fields, unshared) = match &kept {
            Ok(_) => (stored_fields(sent), unshared_fields(sent)),
            // Who passes an answer on leaves it as it is.
            Err(_) => (passed_on(sent), HeaderMap::new()),
        };
        let aged = sent.contains_key(AGE);
        let passes = kept.is_err();
        let version = answer.header().version;
        let answered = Arc::new(Answer {
            status,
            fields,
            unshared,
            aged,
            version,
            length,
            kept,
            told: fetch.told(),
        });
        if passes {
            self.flights.leave(flight);
            flight.pass();
        }
        flight.land(Landing::Answer(Arc::clone(&answered)));
        loop {
            match answer.piece().await {
                Ok(Some(mut piece)) => {
                    if let Some(keeps) = &mut keeper {
                        if keeps.take(self, flight, &answered, &piece).await {
                            piece = keeps.counted(piece);
                        } else {
                            keeper = None;
                            self.flights.leave(flight);
                            flight.pass();
                        }
                    }
                    if !flight.push(piece).await {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    flight.end(Err(error));
                    return;
                }
            }
        }
        if let (Some(keeper), Ok(kept)) = (keeper, &answered.kept) {
            keeper.store(self, flight, &answered, kept).await;
        }
        flight.end(Ok(()));
        self.flights.leave(flight);
        answer.end().await;
    }

    /// Hands a part on, and adds it to those that are kept.
    async fn bring_part(
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
        let mut held = room.and_then(|length| {
            let held = self.flights.hold(length, self.cache.most_held())?;
            Some((held, self.cache.room(length)?))
        });
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
            match answer.piece().await {
                Ok(Some(mut piece)) => {
                    if let Some((_, room)) = &mut held {
                        piece = room.counted(piece);
                        pieces.push(piece.clone());
                    }
                    if !flight.push(piece).await {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    flight.end(Err(error));
                    return;
                }
            }
        }
        if let (Ok(kept), true, false) = (kept, held.is_some(), flight.is_doomed()) {
            self.add_part(&kept, &sent, &pieces);
            if flight.is_doomed() {
                parts::forget(&self.cache, &kept.key);
                self.cache.remove(kept.hash);
            }
        }
        flight.end(Ok(()));
        answer.end().await;
    }

    fn add_part(&self, kept: &Kept, sent: &HeaderMap, pieces: &[Bytes]) {
        let sent = compact(&stored_fields(sent));
        let part = Object {
            key: kept.key.clone(),
            head: Head {
                status: StatusCode::OK,
                validators: Validators::of(&sent),
                terms: kept.terms,
                marks: self.marks(&sent),
                fields: HeaderMap::new(),
            },
            body: Body::Memory(Chunks::new(Vec::new())),
        };
        let Some(whole) = parts::add(&self.cache, part, &sent, pieces) else {
            return;
        };
        let stored = Stored::Object(Arc::new(whole));
        self.cache.memory.put(kept.hash, stored.clone());
        self.metrics.stored(Tier::Memory);
        if let Some(disk) = self.cache.disk() {
            disk.put(kept.hash, stored);
        }
    }

    /// Whether, and as what, an answer is stored.
    fn judge(
        &self,
        status: StatusCode,
        fetch: &Fetch,
        header: &ResponseHeader,
        length: Option<u64>,
        requested: SystemTime,
    ) -> Result<Kept, NotKept> {
        let fields = &header.headers;
        let answered = Answered {
            status,
            ..answered(header, requested)
        };
        let terms = keep(&self.asked(), &answered, &self.rule.settings);
        let terms = terms.map_err(NotKept::Refused)?;
        if length.is_some_and(|length| length > self.rule.max_object) {
            return Err(NotKept::TooLarge);
        }
        let mut varies: Box<[_]> = match Vary::of(fields) {
            Vary::None => Box::default(),
            Vary::Any => return Err(NotKept::Refused(Refusal::VaryAny)),
            Vary::On(names) if names.iter().any(|name| fetch.tells_apart(name)) => {
                return Err(NotKept::Refused(Refusal::VaryAny));
            }
            Vary::On(names) => names,
        };
        if self.identity {
            // What is stored is in no coding, and each client gets its own.
            varies = varies
                .into_iter()
                .filter(|name| *name != ACCEPT_ENCODING)
                .collect();
        }
        let mut key = self.place.key[..self.place.primary_length].to_vec();
        if !varies.is_empty() {
            let marks = self.marks(&HeaderMap::new());
            let marker = self.cache.varies(self.place.primary, &key, &varies, marks);
            write_variant(&marker, &self.asked, &mut key);
            varies = marker.names.clone();
        }
        Ok(Kept {
            terms,
            hash: hash(&key),
            key: key.into(),
            varies,
        })
    }
}

/// What an endpoint answered just now.
fn answered(header: &ResponseHeader, requested: SystemTime) -> Answered<'_> {
    Answered {
        status: header.status,
        fields: &header.headers,
        requested,
        received: SystemTime::now(),
    }
}

/// The fields of an answer that is not stored, without those of the connection it came on.
fn passed_on(fields: &HeaderMap) -> HeaderMap {
    let mut fields = fields.clone();
    strip_response(&mut fields, Keep::default());
    fields
}

/// Keeps a body while it comes.
struct Keeper {
    held: Held,
    /// What it counts as until the last reader has it, stored or not.
    room: Room,
    /// How much came.
    bytes: u64,
    /// Where it goes if it is too large for memory.
    writing: Option<crate::cache::disk::Writing>,
}

impl Keeper {
    /// One for a body of this length; `None` if there is no room.
    fn new(plan: &Plan, length: Option<u64>) -> Option<Self> {
        let in_memory = length.filter(|length| *length <= plan.cache.memory.largest());
        if length.is_some() && in_memory.is_none() && plan.cache.disk().is_none() {
            return None;
        }
        let held = plan
            .flights
            .hold(in_memory.unwrap_or(0), plan.cache.most_held())?;
        let room = plan.cache.room(in_memory.unwrap_or(0))?;
        Some(Self {
            held,
            room,
            bytes: 0,
            writing: None,
        })
    }

    /// Takes note of a piece; whether it is still to be stored.
    async fn take(
        &mut self,
        plan: &Plan,
        flight: &Arc<Flight>,
        answer: &Answer,
        piece: &Bytes,
    ) -> bool {
        let Ok(kept) = &answer.kept else { return false };
        self.bytes += piece.len() as u64;
        let too_large = self.bytes > plan.rule.max_object;
        if let Some(writing) = &mut self.writing {
            if too_large {
                // Those who read it still do so there.
                writing.lose();
            }
            let goes_on = writing.write(piece.clone()).await;
            if !writing.is_written() {
                plan.flights.leave(flight);
                flight.lose_file();
            }
            return goes_on;
        }
        if too_large {
            return false;
        }
        let largest = plan.cache.memory.largest();
        let to_disk = match answer.length {
            Some(length) => length > largest,
            None => self.bytes > TO_DISK.min(largest),
        };
        if to_disk && let Some(disk) = plan.cache.disk() {
            let head = plan.head(answer, kept, answer.length);
            let Some(mut writing) = disk.begin(kept.hash, &head, &kept.key, answer.length) else {
                return false;
            };
            for before in flight.pieces().into_iter().chain([piece.clone()]) {
                writing.write(before).await;
                if !writing.is_written() {
                    return false;
                }
            }
            flight.to_file(&writing.follow());
            self.writing = Some(writing);
            return true;
        }
        if self.bytes > largest {
            return false;
        }
        // What has a length was counted at the beginning.
        let length = piece.len() as u64;
        answer.length.is_some()
            || self.held.grow(length, plan.cache.most_held())
                && self.room.grow(length, plan.cache.most_alive())
    }

    /// The piece, counted if it is held.
    fn counted(&mut self, piece: Bytes) -> Bytes {
        match self.writing {
            Some(_) => piece,
            None => self.room.counted(piece),
        }
    }

    /// Stores what came, for it is whole.
    async fn store(mut self, plan: &Plan, flight: &Flight, answer: &Answer, kept: &Kept) {
        if flight.is_doomed() {
            return;
        }
        let head = plan.head(answer, kept, Some(self.bytes));
        let stored = match self.writing {
            Some(writing) => match writing.finish().await {
                Some(body) => Object {
                    key: kept.key.clone(),
                    head,
                    body: Body::Disk(body),
                },
                None => return,
            },
            None => Object {
                key: kept.key.clone(),
                head,
                body: Body::Memory(Chunks::new(in_one(
                    flight.pieces(),
                    self.bytes,
                    &mut self.room,
                ))),
            },
        };
        let in_memory = matches!(stored.body, Body::Memory(_));
        let stored = Stored::Object(Arc::new(stored));
        plan.cache.memory.put(kept.hash, stored.clone());
        // The disk counts its own, when they are there.
        if in_memory {
            plan.metrics.stored(Tier::Memory);
            if let Some(disk) = plan.cache.disk() {
                disk.put(kept.hash, stored);
            }
        }
        plan.forget_if_doomed(flight, kept.hash);
    }
}

impl Plan {
    fn head(&self, answer: &Answer, kept: &Kept, length: Option<u64>) -> Head {
        let mut fields = compact(&answer.fields);
        if let Some(length) = length {
            fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if answer.status == StatusCode::OK && !fields.contains_key(ACCEPT_RANGES) {
            fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        Head {
            status: answer.status,
            validators: Validators::of(&fields),
            terms: kept.terms,
            marks: self.marks(&fields),
            fields,
        }
    }
}

/// The same fields in memory of their own: those of an answer that was read hold the whole buffer it was read into.
fn compact(fields: &HeaderMap) -> HeaderMap {
    let length = fields.values().map(HeaderValue::len).sum();
    let mut values = BytesMut::with_capacity(length);
    fields
        .values()
        .for_each(|value| values.extend_from_slice(value.as_bytes()));
    let mut values = values.freeze();
    let mut own = HeaderMap::with_capacity(fields.len() + 2);
    for (name, value) in fields {
        let bytes = values.split_to(value.len());
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes) {
            own.append(name.clone(), value);
        }
    }
    own
}

/// A small body in one piece, which then is sent with the header at once.
fn in_one(pieces: Vec<Bytes>, length: u64, room: &mut Room) -> Vec<Bytes> {
    let small = usize::try_from(length).is_ok_and(|length| length <= ONE_PIECE);
    if !small || length == 0 {
        return pieces;
    }
    let mut one = BytesMut::with_capacity(length as usize);
    pieces.iter().for_each(|piece| one.extend_from_slice(piece));
    vec![room.counted(one.freeze())]
}
