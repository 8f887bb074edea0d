//! How does a file come to be there whole, or not at all?

use std::fs::{self, File};
use std::io;
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::body::DiskBody;
use super::books::Ticket;
use super::format::{DATA, Kind, PREAMBLE, Preamble, SMALL};
use super::tier::{Tier, taken};
use super::trace::Trace;
use crate::cache::purge::Marks;
use crate::telemetry::metrics::{DiskOperation, DiskWrite};

/// What is to be written: everything but the body.
pub(super) struct Plan {
    claim: Claim,
    preamble: Preamble,
    /// What stands before the body.
    top: Vec<u8>,
    trace: Trace,
}

/// The right to put an object under its key; it ends when this is dropped.
struct Claim {
    tier: Arc<Tier>,
    ticket: Ticket,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.tier.books().give_back(&self.ticket);
    }
}

/// Why an object is not written.
#[derive(Debug)]
pub(super) enum Lost {
    /// See [`DiskWrite`].
    As(DiskWrite),
    /// An error, of which the tier knows already.
    Failed,
}

/// A file that has no name yet. If it is dropped before it has one, it is removed.
pub(super) struct Draft {
    plan: Plan,
    path: PathBuf,
    file: Arc<File>,
    /// How much of the body is there: whole blocks, until it ends.
    length: u64,
    /// Where the file ends.
    end: u64,
    /// What it takes, as it stands in the books.
    reserved: u64,
    /// What is to be written next.
    next: Vec<u8>,
    has_name: bool,
}

impl Plan {
    /// Of a file with this head, encoded, and a body of a length that may not be known.
    pub(super) fn new(
        tier: &Arc<Tier>,
        key: u128,
        kind: Kind,
        head: &[u8],
        length: Option<u64>,
        marks: &Marks,
    ) -> Option<Self> {
        let preamble = Preamble::new(kind, key, head.len(), length)?;
        let top = preamble.top(head)?;
        let ticket = tier.books().ticket(key, marks);
        let claim = Claim {
            tier: tier.clone(),
            ticket,
        };
        Some(Self {
            claim,
            preamble,
            top,
            trace: Trace::of(marks),
        })
    }

    /// How much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.top.len()
    }

    /// Writes a file with this body.
    pub(super) fn write<'p>(self, body: impl IntoIterator<Item = &'p [u8]>) -> Result<(), Lost> {
        let mut draft = Draft::new(self)?;
        draft.append(body, true)?;
        draft.commit()
    }
}

impl Draft {
    /// A new file, in which nothing stands.
    pub(super) fn new(mut plan: Plan) -> Result<Self, Lost> {
        let tier = &plan.claim.tier;
        if !tier.takes() || !tier.books().counts(&plan.claim.ticket) {
            return Err(Lost::As(DiskWrite::Left));
        }
        let (path, file) = tier
            .place
            .temporary()
            .map_err(|error| tier.lost(DiskOperation::Write, &error))?;
        let next = mem::take(&mut plan.top);
        Ok(Self {
            plan,
            path,
            file: Arc::new(file),
            length: 0,
            end: 0,
            reserved: 0,
            next,
            has_name: false,
        })
    }

    /// The file, from which may be read what [`Draft::length`] says.
    pub(super) fn file(&self) -> (Arc<File>, Preamble) {
        (self.file.clone(), self.plan.preamble)
    }

    /// How much of the body was written.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Writes on. Unless these are the last pieces, they fill whole blocks.
    pub(super) fn append<'p>(
        &mut self,
        pieces: impl IntoIterator<Item = &'p [u8]>,
        is_last: bool,
    ) -> Result<(), Lost> {
        let tier = &self.plan.claim.tier;
        let first = self.length / DATA as u64;
        let mut added = 0;
        let pieces = pieces
            .into_iter()
            .inspect(|piece| added += piece.len() as u64);
        self.plan.preamble.blocks(first, pieces, &mut self.next);
        self.length += added;
        let preamble = &mut self.plan.preamble;
        if !preamble.is_large && self.length > SMALL {
            return Err(Lost::As(DiskWrite::Left));
        }
        if is_last && preamble.length != self.length {
            preamble.length = self.length;
            let written = preamble.write();
            match self.next.first_chunk_mut::<PREAMBLE>() {
                Some(place) if self.end == 0 => *place = written,
                _ => self
                    .file
                    .write_all_at(&written, 0)
                    .map_err(|error| tier.lost(DiskOperation::Write, &error))?,
            }
        }
        let more = self.next.len() as u64;
        tier.reserve(more).map_err(Lost::As)?;
        self.reserved += more;
        self.file
            .write_all_at(&self.next, self.end)
            .map_err(|error| tier.lost(DiskOperation::Write, &error))?;
        self.end += more;
        self.next.clear();
        Ok(())
    }

    /// Gives it its name. All of a large object is on the disk by then, for it is not read whole before it is given out.
    pub(super) fn commit(&mut self) -> Result<(), Lost> {
        let Plan {
            claim: Claim { tier, ticket },
            preamble,
            trace,
            ..
        } = &self.plan;
        if preamble.is_large {
            self.file
                .sync_data()
                .map_err(|error| tier.lost(DiskOperation::Write, &error))?;
        }
        let takes = taken(&self.file).map_err(|error| tier.lost(DiskOperation::Write, &error))?;
        tier.release(mem::take(&mut self.reserved));
        match tier.commit(ticket, &self.path, takes, trace.clone()) {
            Ok(DiskWrite::Stored) => {
                self.has_name = true;
                Ok(())
            }
            Ok(other) => Err(Lost::As(other)),
            Err(error) => Err(tier.lost(DiskOperation::Write, &error)),
        }
    }

    /// The body, after [`Draft::commit`]; `None` if too many files are open.
    pub(super) fn body(&self) -> Option<DiskBody> {
        DiskBody::new(
            self.plan.claim.tier.clone(),
            self.file.clone(),
            self.plan.preamble,
        )
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let tier = &self.plan.claim.tier;
        if self.reserved > 0 {
            tier.release(self.reserved);
        }
        if !self.has_name {
            // If it can't be removed now, the next process does it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Tier {
    /// An object is not written because of this error.
    fn lost(&self, operation: DiskOperation, error: &io::Error) -> Lost {
        self.failed(operation, error);
        Lost::Failed
    }

    /// Counts what became of an object that was to be written. If it is not there, what was there before it is older than
    /// what others have seen meanwhile, and goes.
    pub(super) fn settle(&self, key: u128, result: &Result<(), Lost>) {
        let result = match result {
            Ok(()) => DiskWrite::Stored,
            Err(Lost::As(result)) => *result,
            Err(Lost::Failed) => DiskWrite::Failed,
        };
        self.metrics.written(result);
        if matches!(result, DiskWrite::NoRoom | DiskWrite::Failed) {
            self.remove_bad(key);
        }
    }

    /// One more object is written piece by piece, unless there are too many.
    pub(super) fn one_more_stream(&self, most: usize) -> bool {
        self.streams
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |streams| {
                (streams < most).then_some(streams + 1)
            })
            .is_ok()
    }
}
