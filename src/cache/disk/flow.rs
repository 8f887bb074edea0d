//! What of an object that is being written can be read already?

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, oneshot};

use super::body::read_blocks;
use super::format::{BLOCK, Preamble};
use super::tier::Tier;
use crate::telemetry::metrics::DiskOperation;

/// How much of what was written stays in memory, for those who are not far behind.
const KEPT: u64 = 512 * 1024;

/// Pieces shorter than this are put together: each holds memory beside its bytes.
const SHORT: usize = 16 * 1024;

/// The bytes of an object on their way to its file.
pub(super) struct Flow {
    tier: Arc<Tier>,
    state: Mutex<State>,
    /// Told when there is more, or no more.
    more: Notify,
    /// Told when a follower has gone on, or away.
    taken: Notify,
}

#[derive(Default)]
struct State {
    /// What is in memory: first these, then a last one that still grows.
    pieces: VecDeque<Bytes>,
    growing: BytesMut,
    /// Where that begins, and where it ends: so much has come.
    start: u64,
    end: u64,
    /// So much can be read from the file.
    written: u64,
    file: Option<(Arc<File>, Preamble)>,
    /// How many follow, or may begin to.
    following: usize,
    /// Where the followers are.
    followers: FxHashMap<u64, u64>,
    next_follower: u64,
    is_over: Option<Over>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    /// All has come.
    Whole,
    /// No more will come.
    Abandoned,
}

/// Where some bytes are to be had.
enum At {
    Here(Bytes),
    File(Arc<File>, Preamble, u64),
    End,
    Later,
    Gone,
}

impl Flow {
    pub(super) fn new(tier: Arc<Tier>) -> Arc<Self> {
        Arc::new(Self {
            tier,
            state: Mutex::default(),
            more: Notify::new(),
            taken: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More has come.
    pub(super) fn add(&self, piece: Bytes) {
        let mut state = self.lock();
        state.end += piece.len() as u64;
        if piece.len() < SHORT {
            state.growing.extend_from_slice(&piece);
            if state.growing.len() >= SHORT {
                state.freeze();
            }
        } else {
            state.freeze();
            state.pieces.push_back(piece);
        }
        drop(state);
        self.more.notify_waiters();
    }

    /// How much has come.
    pub(super) fn end(&self) -> u64 {
        self.lock().end
    }

    /// What is in memory of these bytes: all of them, if none of them was told to be written yet.
    pub(super) fn between(&self, from: u64, to: u64) -> Vec<Bytes> {
        let mut state = self.lock();
        state.freeze();
        let mut at = state.start;
        let mut pieces = Vec::new();
        for piece in &state.pieces {
            let end = at + piece.len() as u64;
            if end > from && at < to {
                let first = from.saturating_sub(at) as usize;
                let last = (to.min(end) - at) as usize;
                pieces.push(piece.slice(first..last));
            }
            at = end;
        }
        pieces
    }

    /// So much can be read from the file now: it need not be in memory any more.
    pub(super) fn written(&self, length: u64, file: (Arc<File>, Preamble)) {
        let mut state = self.lock();
        state.written = length;
        state.file = Some(file);
        let until = length.min(state.end.saturating_sub(KEPT));
        state.trim(until);
    }

    /// Nothing more gets to the file, so memory is all there is: makes room in it, as soon as those who follow have taken
    /// what is there. Whether anybody follows, or may begin to.
    pub(super) async fn make_room(&self) -> bool {
        loop {
            let taken = self.taken.notified();
            tokio::pin!(taken);
            taken.as_mut().enable();
            {
                let mut state = self.lock();
                if state.following == 0 {
                    return false;
                }
                if let Some(slowest) = state.followers.values().min().copied() {
                    let wanted = state.end.saturating_sub(KEPT);
                    state.trim(wanted.min(slowest));
                }
                if state.start.saturating_add(2 * KEPT) >= state.end {
                    return true;
                }
            }
            taken.await;
        }
    }

    /// Who did not take anything for too long gets no more; whether anybody is left.
    pub(super) fn leave_behind(&self) -> bool {
        let mut state = self.lock();
        let wanted = state.end.saturating_sub(KEPT);
        state.trim(wanted);
        let start = state.start;
        let is_in_file = state.file.is_some() && start <= state.written;
        // Whoever has missed something holds up nobody any more.
        state.followers.retain(|_, at| *at >= start || is_in_file);
        !state.followers.is_empty()
    }

    /// Nothing more comes.
    pub(super) fn over(&self, is_whole: bool) {
        let mut state = self.lock();
        state.is_over = state.is_over.or(Some(if is_whole {
            Over::Whole
        } else {
            Over::Abandoned
        }));
        drop(state);
        self.more.notify_waiters();
    }

    /// One more who may follow.
    pub(super) fn follow(self: &Arc<Self>) -> Following {
        self.lock().following += 1;
        Following {
            flow: self.clone(),
            number: None,
        }
    }
}

impl State {
    fn freeze(&mut self) {
        if !self.growing.is_empty() {
            let piece = self.growing.split().freeze();
            self.pieces.push_back(piece);
        }
    }

    /// Lets go of pieces that end before this place.
    fn trim(&mut self, until: u64) {
        while let Some(first) = self.pieces.front() {
            let end = self.start + first.len() as u64;
            if end > until {
                return;
            }
            self.start = end;
            self.pieces.pop_front();
        }
    }

    /// One who follows is here, and has a number from now on.
    fn follows(&mut self, number: &mut Option<u64>, offset: u64) {
        let number = *number.get_or_insert(self.next_follower);
        self.next_follower = self.next_follower.max(number + 1);
        self.followers.insert(number, offset);
    }

    fn at(&self, offset: u64) -> At {
        if offset >= self.end {
            return match self.is_over {
                None => At::Later,
                Some(Over::Whole) => At::End,
                Some(Over::Abandoned) => At::Gone,
            };
        }
        if offset < self.start {
            return match &self.file {
                Some((file, preamble)) if offset < self.written => {
                    At::File(file.clone(), *preamble, self.written)
                }
                _ => At::Gone,
            };
        }
        let mut at = self.start;
        for piece in &self.pieces {
            let end = at + piece.len() as u64;
            if offset < end {
                return At::Here(piece.slice((offset - at) as usize..));
            }
            at = end;
        }
        At::Here(Bytes::copy_from_slice(
            &self.growing[(offset - at) as usize..],
        ))
    }
}

/// Reads an object while it is written. A clone reads on its own.
pub struct Following {
    flow: Arc<Flow>,
    /// Its number among those who follow. It has none before it reads, so that one that is only there to be cloned holds
    /// up nobody.
    number: Option<u64>,
}

impl Following {
    /// One more, who reads from `offset` on: it counts as there already, so that nothing is let go of before it begins.
    pub fn from(&self, offset: u64) -> Self {
        let mut one = self.flow.follow();
        self.flow.lock().follows(&mut one.number, offset);
        one
    }

    /// The bytes from `offset` on, as far as they are to be had at once; waits until there are some. Nothing at the end.
    ///
    /// # Errors
    ///
    /// The object was abandoned, or what was written can't be read.
    pub async fn next(&mut self, offset: u64) -> io::Result<Option<Bytes>> {
        loop {
            let more = self.flow.more.notified();
            tokio::pin!(more);
            more.as_mut().enable();
            let at = {
                let mut state = self.flow.lock();
                state.follows(&mut self.number, offset);
                state.at(offset)
            };
            self.flow.taken.notify_one();
            match at {
                At::Here(bytes) => return Ok(Some(bytes)),
                At::End => return Ok(None),
                At::Gone => return Err(ErrorKind::BrokenPipe.into()),
                At::File(file, preamble, length) => {
                    return self.read(file, preamble, length, offset).await.map(Some);
                }
                At::Later => more.await,
            }
        }
    }

    async fn read(
        &self,
        file: Arc<File>,
        preamble: Preamble,
        length: u64,
        offset: u64,
    ) -> io::Result<Bytes> {
        let (told, read) = oneshot::channel();
        let tier = self.flow.tier.clone();
        self.flow.tier.readers.push_always(move || {
            let read = read_blocks(&file, &preamble, length, offset, 4 * BLOCK);
            if let Err(error) = &read {
                tier.failed(DiskOperation::Read, error);
            }
            // Nobody may wait any more.
            let _ = told.send(read);
        });
        read.await.map_err(|_| io::Error::from(ErrorKind::Other))?
    }
}

impl Clone for Following {
    fn clone(&self) -> Self {
        self.flow.follow()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut state = self.flow.lock();
        state.following -= 1;
        if let Some(number) = self.number {
            state.followers.remove(&number);
        }
        drop(state);
        self.flow.taken.notify_one();
    }
}
