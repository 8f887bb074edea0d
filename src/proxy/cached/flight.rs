//! How far is a fetch, and what can be had of it by now?
//!
//! A flight belongs to no client: the one that started it may leave, and others go on reading. What comes is kept as long as
//! it is to be stored; once it is known that it is not, it passes by at the pace of who started it, and nobody begins to read
//! it. Whoever reads gets every byte, or is told that the body is not whole.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use crate::cache::Object;
use crate::cache::disk::Following;
use crate::cache::purge::Seq;
use crate::cache::rules::{Refusal, Terms};
use crate::error::{Phase, ProxyError, Reason};
use crate::proxy::fetch::Told;

/// How much of an answer that passes by may wait for its reader, and how far others may be behind him.
const WINDOW: u64 = 256 * 1024;

/// One fetch of one object.
pub struct Flight {
    /// What it is found by; `None` if nobody is to find it.
    pub key: Option<u128>,
    /// When it began, in the order of purges.
    pub since: Seq,
    inner: Mutex<Inner>,
    /// Told when there is more to be had.
    changed: Notify,
    /// Told when what passes by has room, or no reader.
    room: Notify,
    /// Whether what it brings was invalidated meanwhile.
    doomed: AtomicBool,
}

#[derive(Default)]
struct Inner {
    landing: Option<Landing>,
    course: Course,
    /// The body so far, as far as it is held here.
    pieces: VecDeque<Piece>,
    /// Where in the body that begins.
    first: u64,
    /// How much of the body has come.
    total: u64,
    /// Where else the whole body so far can be read.
    file: Option<Following>,
    /// Those who read, by their number.
    readers: FxHashMap<u64, Place>,
    next_reader: u64,
    /// Whether who started it does not read.
    unread: bool,
    /// How the body ended.
    end: Option<Result<(), ProxyError>>,
}

/// What becomes of the body.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Course {
    /// It is to be stored: all of it is held, here or in the file.
    #[default]
    Kept,
    /// It passes by.
    Passing,
    /// It will not be in the file, where all who read it do so: whoever writes there goes at their pace.
    Lost,
    /// Nobody gets more of it.
    Left,
}

/// A piece of the body.
struct Piece {
    /// Where it begins.
    at: u64,
    bytes: Bytes,
}

impl Piece {
    fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

/// Where a reader is.
struct Place {
    /// How much he has read here.
    offset: u64,
    /// Where he reads on, until he does. It is his from the beginning, so that nothing he needs is let go of.
    file: Option<Following>,
    /// Whether he started it.
    leads: bool,
}

impl Inner {
    /// How far whoever sets the pace has read: who started it or else the first of the others. `None` if nobody is left.
    fn pace(&self) -> Option<u64> {
        let mut places = self.readers.values();
        let leader = places.find(|place| place.leads);
        let first = || self.readers.values().map(|place| place.offset).max();
        leader.map(|leader| leader.offset).or_else(first)
    }

    /// Lets go of what passed by: all have had it, or who has not is too far behind.
    fn trim(&mut self) {
        if self.course != Course::Passing {
            return;
        }
        let Some(pace) = self.pace() else { return };
        let there = self.readers.values().map(|place| place.offset);
        let slowest = there.filter(|offset| *offset >= self.first).min();
        let left_behind = pace.saturating_sub(WINDOW);
        let until = slowest.unwrap_or(pace).max(left_behind);
        while let Some(piece) = self.pieces.pop_front_if(|piece| piece.end() <= until) {
            self.first = piece.end();
        }
    }

    /// Whether there is any use in going on; `None` while there is no room.
    fn has_room(&self) -> Option<bool> {
        match self.course {
            Course::Kept | Course::Lost => Some(true),
            Course::Left => Some(false),
            Course::Passing => match self.pace() {
                None if self.unread => Some(false),
                pace => (self.total - pace.unwrap_or(0) < WINDOW).then_some(true),
            },
        }
    }

    /// What is held from this place on, up to the end of a piece.
    fn at(&self, offset: u64) -> Option<Bytes> {
        let number = self.pieces.partition_point(|piece| piece.end() <= offset);
        let piece = self.pieces.get(number)?;
        let before = usize::try_from(offset.checked_sub(piece.at)?).ok()?;
        Some(piece.bytes.slice(before..))
    }
}

/// What came of asking.
#[derive(Clone)]
pub enum Landing {
    /// An answer.
    Answer(Arc<Answer>),
    /// The stored object was found to be good again.
    Good {
        /// The object, as it is now.
        object: Arc<Object>,
        /// How that was found out.
        told: Box<Told>,
        /// Whether what was said of it is for others as well.
        shared: bool,
    },
    /// No answer.
    Failed(ProxyError, Box<Told>),
}

impl Landing {
    /// Whether another who asks may fare better: the endpoint has failed with this one request.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Good { .. } => false,
            Self::Answer(answer) => match answer.kept {
                Err(NotKept::Refused(refusal)) => {
                    answer.status.is_server_error() && !refusal.lasting()
                }
                _ => false,
            },
            Self::Failed(error, _) => !shared(error.reason),
        }
    }
}

/// Whether a failure is that of all who waited: the pool could not be reached, whoever asks.
fn shared(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NoEndpoint
            | Reason::BreakerOpen
            | Reason::QueueFull
            | Reason::QueueTimeout
            | Reason::ConnectTimeout
            | Reason::UpstreamFirstByteTimeout
            | Reason::TotalTimeout
    )
}

/// An endpoint's answer, without its body.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields, without those of the connection.
    pub fields: HeaderMap,
    /// Those that only the request has that led to it.
    pub unshared: HeaderMap,
    /// Whether it said how old it is.
    pub aged: bool,
    /// The version of HTTP it came in.
    pub version: Version,
    /// How long its body is, if that is said.
    pub length: Option<u64>,
    /// How it is stored, or why not.
    pub kept: Result<Kept, NotKept>,
    /// How it was fetched.
    pub told: Told,
}

/// How an answer is stored.
pub struct Kept {
    /// On which terms.
    pub terms: Terms,
    /// The key of this variant.
    pub key: Box<[u8]>,
    /// Its hash.
    pub hash: u128,
    /// By which fields of the request it varies.
    pub varies: Box<[http::HeaderName]>,
}

/// Why an answer is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// By the rules.
    Refused(Refusal),
    /// It is larger than the route allows, or than there is room for.
    TooLarge,
    /// It is a part, kept with others of its kind if it may be.
    Part,
}

impl NotKept {
    /// The word for it in `Cache-Status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.as_str(),
            Self::TooLarge => "too-large",
            Self::Part => "partial",
        }
    }
}

/// What a reader finds.
enum Found {
    Piece(Bytes),
    InFile(Following),
    End,
    Broken(ProxyError),
    NotYet,
}

impl Flight {
    /// One that nobody finds.
    pub fn alone() -> Arc<Self> {
        Self::new(None, Seq::default())
    }

    /// One that begins, found by `key`.
    pub fn new(key: Option<u128>, since: Seq) -> Arc<Self> {
        Arc::new(Self {
            key,
            since,
            inner: Mutex::default(),
            changed: Notify::new(),
            room: Notify::new(),
            doomed: AtomicBool::new(false),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it brings is not to be stored: it was invalidated.
    pub fn doom(&self) {
        self.doomed.store(true, Ordering::SeqCst);
    }

    /// Whether it was invalidated.
    pub fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::SeqCst)
    }

    /// Waits for what comes of asking.
    pub async fn landing(&self) -> Landing {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if let Some(landing) = &self.inner().landing {
                return landing.clone();
            }
            changed.await;
        }
    }

    /// Waits until the body has ended, or passes by.
    pub async fn settled(&self) {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            {
                let inner = self.inner();
                if inner.course != Course::Kept || inner.end.is_some() {
                    return;
                }
            }
            changed.await;
        }
    }

    /// Says what came of asking; the first word counts.
    pub fn land(&self, landing: Landing) {
        self.inner().landing.get_or_insert(landing);
        self.changed.notify_waiters();
    }

    /// A reader of the body from its beginning; `None` once a part of it has passed by.
    pub fn follow(self: &Arc<Self>) -> Option<Reader> {
        let mut inner = self.inner();
        (inner.course == Course::Kept).then(|| Reader::new(self, &mut inner, false))
    }

    /// The reader that belongs to whoever started it.
    pub fn lead(self: &Arc<Self>) -> Reader {
        Reader::new(self, &mut self.inner(), true)
    }

    /// Who started it does not read what it brings.
    pub fn unread(&self) {
        self.inner().unread = true;
        self.room.notify_one();
    }

    /// Adds a piece of the body, and waits for room if it passes by; whether there is any use in going on.
    pub async fn push(&self, piece: Bytes) -> bool {
        if piece.is_empty() {
            return true;
        }
        {
            let mut inner = self.inner();
            let at = inner.total;
            inner.total += piece.len() as u64;
            match (inner.course, &inner.file) {
                (Course::Kept, None) | (Course::Passing, _) => {
                    inner.pieces.push_back(Piece { at, bytes: piece });
                    inner.trim();
                }
                // It is where they read.
                (Course::Kept, Some(_)) | (Course::Lost | Course::Left, _) => {
                    inner.first = inner.total;
                }
            }
        }
        self.changed.notify_waiters();
        loop {
            let room = self.room.notified();
            let mut room = std::pin::pin!(room);
            room.as_mut().enable();
            if let Some(goes_on) = self.inner().has_room() {
                return goes_on;
            }
            room.await;
        }
    }

    /// From now on it passes by: it will not be stored. What was read from a file is over, for nobody writes there any more.
    pub fn pass(&self) {
        let mut inner = self.inner();
        inner.course = match (inner.course, inner.file.take()) {
            (Course::Kept | Course::Passing, None) => Course::Passing,
            (Course::Lost | Course::Left, _) | (_, Some(_)) => Course::Left,
        };
        drop(inner);
        self.changed.notify_waiters();
    }

    /// The body is read from a file instead, what came before included.
    pub fn to_file(&self, file: &Following) {
        let mut inner = self.inner();
        for place in inner.readers.values_mut() {
            place.file = Some(file.from(place.offset));
        }
        inner.file = Some(file.clone());
        inner.first = inner.total;
        inner.pieces.clear();
        drop(inner);
        self.changed.notify_waiters();
    }

    /// It will not be in the file: who reads it goes on there, for as long as it comes, and nobody else begins to.
    pub fn lose_file(&self) {
        let mut inner = self.inner();
        if inner.course == Course::Kept {
            inner.course = Course::Lost;
            // Whoever writes asks whether anybody follows.
            inner.file = None;
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// What is held of the body.
    pub fn pieces(&self) -> Vec<Bytes> {
        let inner = self.inner();
        let pieces = inner.pieces.iter().map(|piece| piece.bytes.clone());
        pieces.collect()
    }

    /// The body has ended, whole or not; the first word counts.
    pub fn end(&self, end: Result<(), ProxyError>) {
        self.inner().end.get_or_insert(end);
        self.changed.notify_waiters();
    }

    /// What there is for the reader of this number, who is here in the body.
    fn read(&self, number: u64, offset: u64) -> Found {
        let mut inner = self.inner();
        let place = inner.readers.get_mut(&number);
        if let Some(file) = place.and_then(|place| place.file.take()) {
            return Found::InFile(file);
        }
        if let Some(piece) = inner.at(offset) {
            if let Some(place) = inner.readers.get_mut(&number) {
                place.offset = offset + piece.len() as u64;
            }
            inner.trim();
            self.room.notify_one();
            return Found::Piece(piece);
        }
        match inner.end {
            Some(Err(error)) => Found::Broken(error),
            // What comes next is gone: there would be a hole.
            _ if offset < inner.total => Found::Broken(internal()),
            Some(Ok(())) => Found::End,
            None => Found::NotYet,
        }
    }
}

/// What is told when a body has no end, and nobody said why.
fn internal() -> ProxyError {
    ProxyError::new(Reason::Internal, Phase::Body)
}

/// Reads the body of a flight.
pub struct Reader {
    flight: Arc<Flight>,
    /// Its number among those who read.
    number: u64,
    /// How many bytes were read.
    offset: u64,
    /// Where it reads on, once the body is in a file.
    file: Option<Following>,
}

impl Reader {
    fn new(flight: &Arc<Flight>, inner: &mut Inner, leads: bool) -> Self {
        let number = inner.next_reader;
        inner.next_reader += 1;
        let place = Place {
            offset: 0,
            file: inner.file.as_ref().map(|file| file.from(0)),
            leads,
        };
        inner.readers.insert(number, place);
        Self {
            flight: Arc::clone(flight),
            number,
            offset: 0,
            file: None,
        }
    }

    /// Whether the next piece is still to come.
    pub fn must_wait(&self) -> bool {
        let inner = self.flight.inner();
        let place = inner.readers.get(&self.number);
        let in_file = self.file.is_some() || place.is_some_and(|place| place.file.is_some());
        !in_file && self.offset >= inner.total && inner.end.is_none()
    }

    /// The next piece; `None` after the last one.
    ///
    /// # Errors
    ///
    /// The body is not whole.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, ProxyError> {
        if let Some(file) = &mut self.file {
            let piece = file.next(self.offset).await;
            return self.took(piece);
        }
        loop {
            let flight = Arc::clone(&self.flight);
            let changed = flight.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            match flight.read(self.number, self.offset) {
                Found::Piece(piece) => {
                    self.offset += piece.len() as u64;
                    return Ok(Some(piece));
                }
                Found::InFile(file) => {
                    let piece = self.file.insert(file).next(self.offset).await;
                    return self.took(piece);
                }
                Found::End => return Ok(None),
                Found::Broken(error) => return Err(error),
                Found::NotYet => {}
            }
            changed.await;
        }
    }

    fn took(&mut self, piece: io::Result<Option<Bytes>>) -> Result<Option<Bytes>, ProxyError> {
        let piece = piece.map_err(|_| self.broken())?;
        self.offset += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Ok(piece)
    }

    /// What is told when a body that was read from its file has no end.
    fn broken(&self) -> ProxyError {
        match self.flight.inner().end {
            Some(Err(error)) => error,
            _ => internal(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut inner = self.flight.inner();
        let place = inner.readers.remove(&self.number);
        inner.unread |= place.as_ref().is_some_and(|place| place.leads);
        inner.trim();
        drop(inner);
        self.flight.room.notify_one();
    }
}

#[cfg(test)]
mod tests;
