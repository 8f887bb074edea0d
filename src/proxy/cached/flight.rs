//! How far is a fetch, and what can be had of it by now?
//!
//! A flight belongs to no client: the one that started it may leave, and others go on reading. What comes is kept as long as
//! it is to be stored; once it is known that it is not, it passes by, and only who started it reads it, at his own pace.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use tokio::sync::Notify;

use crate::cache::Object;
use crate::cache::disk::Following;
use crate::cache::purge::Seq;
use crate::cache::rules::{Refusal, Terms};
use crate::error::{Phase, ProxyError, Reason};
use crate::proxy::fetch::Told;

/// How much of an answer that passes by may wait for its reader.
const WINDOW: usize = 256 * 1024;

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
    /// The body so far, as far as it is held.
    pieces: VecDeque<Bytes>,
    /// The number of the first piece that is held.
    first: usize,
    /// How many bytes are held.
    held: usize,
    /// Where else the whole body so far can be read.
    file: Option<Following>,
    /// Whether the body passes by.
    passing: bool,
    /// Whether nobody reads what passes by.
    unread: bool,
    /// How the body ended.
    end: Option<Result<(), ProxyError>>,
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
                if inner.passing || inner.end.is_some() {
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
        (!self.inner().passing).then(|| Reader::new(self, false))
    }

    /// The reader that belongs to whoever started it.
    pub fn lead(self: &Arc<Self>) -> Reader {
        Reader::new(self, true)
    }

    /// Nobody reads what it brings, should that pass by.
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
            if inner.file.is_none() {
                inner.held += piece.len();
                inner.pieces.push_back(piece);
            }
        }
        self.changed.notify_waiters();
        self.has_room().await
    }

    async fn has_room(&self) -> bool {
        loop {
            let room = self.room.notified();
            let mut room = std::pin::pin!(room);
            room.as_mut().enable();
            {
                let inner = self.inner();
                if !inner.passing || inner.held < WINDOW && !inner.unread {
                    return true;
                }
                if inner.unread {
                    return false;
                }
            }
            room.await;
        }
    }

    /// From now on it passes by: it will not be stored.
    pub fn pass(&self) {
        self.inner().passing = true;
        self.changed.notify_waiters();
    }

    /// The body is read from a file instead, what came before included.
    pub fn to_file(&self, file: Following) {
        let mut inner = self.inner();
        inner.file = Some(file);
        inner.first += inner.pieces.len();
        inner.pieces.clear();
        inner.held = 0;
        drop(inner);
        self.changed.notify_waiters();
    }

    /// It will not be in the file: who reads it goes on there, for as long as it comes, and nobody else begins to.
    pub fn lose_file(&self) {
        self.inner().passing = true;
    }

    /// What is held of the body.
    pub fn pieces(&self) -> Vec<Bytes> {
        self.inner().pieces.iter().cloned().collect()
    }

    /// The body has ended, whole or not; the first word counts.
    pub fn end(&self, end: Result<(), ProxyError>) {
        self.inner().end.get_or_insert(end);
        self.changed.notify_waiters();
    }

    fn read(&self, reader: &mut Reader) -> Found {
        let mut inner = self.inner();
        if let Some(file) = &inner.file {
            return Found::InFile(file.clone());
        }
        let place = reader.next.checked_sub(inner.first);
        if let Some(piece) = place.and_then(|place| inner.pieces.get(place)).cloned() {
            if reader.leads && inner.passing {
                // Those before it were read while it was to be stored.
                while inner.first <= reader.next {
                    let gone = inner.pieces.pop_front();
                    inner.held -= gone.map_or(0, |gone| gone.len());
                    inner.first += 1;
                }
                self.room.notify_one();
            }
            return Found::Piece(piece);
        }
        match inner.end {
            Some(Ok(())) => Found::End,
            Some(Err(error)) => Found::Broken(error),
            None => Found::NotYet,
        }
    }
}

/// Reads the body of a flight.
pub struct Reader {
    flight: Arc<Flight>,
    /// The number of the next piece.
    next: usize,
    /// How many bytes were read.
    offset: u64,
    /// Where it reads on, once the body is in a file.
    file: Option<Following>,
    leads: bool,
}

impl Reader {
    fn new(flight: &Arc<Flight>, leads: bool) -> Self {
        Self {
            flight: Arc::clone(flight),
            next: 0,
            offset: 0,
            file: None,
            leads,
        }
    }

    /// Whether the next piece is still to come.
    pub fn must_wait(&self) -> bool {
        let inner = self.flight.inner();
        let is_held = self.next < inner.first + inner.pieces.len();
        self.file.is_none() && inner.file.is_none() && !is_held && inner.end.is_none()
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
            match flight.read(self) {
                Found::Piece(piece) => {
                    self.next += 1;
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
            _ => ProxyError::new(Reason::Internal, Phase::Body),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.leads {
            self.flight.unread();
        }
    }
}
