//! Which pieces of a body on its way are held, and for whom?

use std::collections::VecDeque;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::Landing;
use crate::cache::disk::Following;
use crate::error::ProxyError;

/// How much of an answer that passes by may wait for its reader, and how far others may be behind him.
pub(super) const WINDOW: u64 = 256 * 1024;

/// What is known of a flight, behind its lock.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) landing: Option<Landing>,
    pub(super) course: Course,
    /// The body so far, as far as it is held here.
    pub(super) pieces: VecDeque<Piece>,
    /// Where in the body that begins.
    pub(super) first: u64,
    /// How much of the body has come.
    pub(super) total: u64,
    /// Where else the whole body so far can be read.
    pub(super) file: Option<Following>,
    /// Those who read, by their number.
    pub(super) readers: FxHashMap<u64, Place>,
    pub(super) next_reader: u64,
    /// Whether who started it does not read.
    pub(super) unread: bool,
    /// How the body ended.
    pub(super) end: Option<Result<(), ProxyError>>,
}

/// What becomes of the body.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Course {
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
pub(super) struct Piece {
    /// Where it begins.
    pub(super) at: u64,
    pub(super) bytes: Bytes,
}

impl Piece {
    pub(super) fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

/// Where a reader is.
pub(super) struct Place {
    /// How much he has read here.
    pub(super) offset: u64,
    /// Where he reads on, until he does. It is his from the beginning, so that nothing he needs is let go of.
    pub(super) file: Option<Following>,
    /// Whether he started it.
    pub(super) leads: bool,
}

impl Inner {
    /// How far whoever sets the pace has read: who started it or else the first of the others. `None` if nobody is left.
    pub(super) fn pace(&self) -> Option<u64> {
        let mut places = self.readers.values();
        let leader = places.find(|place| place.leads);
        let first = || self.readers.values().map(|place| place.offset).max();
        leader.map(|leader| leader.offset).or_else(first)
    }

    /// Lets go of what passed by: all have had it, or who has not is too far behind.
    pub(super) fn trim(&mut self) {
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
    pub(super) fn has_room(&self) -> Option<bool> {
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
    pub(super) fn at(&self, offset: u64) -> Option<Bytes> {
        let number = self.pieces.partition_point(|piece| piece.end() <= offset);
        let piece = self.pieces.get(number)?;
        let before = usize::try_from(offset.checked_sub(piece.at)?).ok()?;
        Some(piece.bytes.slice(before..))
    }
}
