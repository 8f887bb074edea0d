//! How far is a fetch, and what can be had of it by now?
//!
//! A flight belongs to no client: the one that started it may leave, and others go on reading. What comes is kept as long as
//! it is to be stored; once it is known that it is not, it passes by at the pace of who started it, and nobody begins to read
//! it. Whoever reads gets every byte, or is told that the body is not whole.

mod landing;
mod pieces;
mod reader;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::cache::disk::Following;
use crate::cache::purge::Seq;
use crate::error::{Phase, ProxyError, Reason};
use pieces::{Course, Inner, Piece};

pub use landing::{Answer, Kept, Landing, NotKept};
pub use reader::Reader;

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

#[cfg(test)]
mod tests;
