//! How is a body read, wherever it is: in memory, on disk, or still on its way?

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::flight::Reader;
use crate::cache::Chunks;
use crate::cache::disk::DiskBody;
use crate::cache::rules::Partial;
use crate::error::{Phase, ProxyError, Reason};

/// How much is read from a file at once.
const FROM_DISK: usize = 256 * 1024;

/// Where a body is.
pub enum Source {
    /// In memory.
    Memory(Chunks),
    /// On disk.
    Disk(DiskBody),
    /// In memory, and only parts of it are there.
    Parts(Arc<Partial>),
    /// On its way.
    Flight(Reader),
}

impl From<&crate::cache::Body> for Source {
    fn from(body: &crate::cache::Body) -> Self {
        match body {
            crate::cache::Body::Memory(chunks) => Self::Memory(chunks.clone()),
            crate::cache::Body::Disk(body) => Self::Disk(body.clone()),
            crate::cache::Body::Parts(parts) => Self::Parts(Arc::clone(parts)),
        }
    }
}

/// A part of a body, read piece by piece.
pub struct BodyReader<'s> {
    source: &'s mut Source,
    /// Where in the body the next piece begins, of a body that is not on its way.
    at: u64,
    /// The number of the next piece, of a body in memory.
    next: usize,
    /// How many bytes are passed over first.
    skip: u64,
    /// How many are still to be read; `None` for all there are.
    left: Option<u64>,
}

impl<'s> BodyReader<'s> {
    /// All of it.
    pub fn whole(source: &'s mut Source) -> Self {
        Self {
            source,
            at: 0,
            next: 0,
            skip: 0,
            left: None,
        }
    }

    /// These bytes of it. A body on its way can only be read once.
    pub fn part(source: &'s mut Source, range: &Range<u64>) -> Self {
        if let Source::Parts(parts) = &*source {
            let pieces = parts.read(range).unwrap_or_default();
            *source = Source::Memory(Chunks::new(pieces));
            return Self::whole(source);
        }
        let mut reader = Self::whole(source);
        reader.left = Some(range.end.saturating_sub(range.start));
        reader.skip = range.start;
        match &*reader.source {
            Source::Memory(chunks) => {
                for piece in chunks.pieces() {
                    let length = piece.len() as u64;
                    if reader.skip < length {
                        break;
                    }
                    reader.skip -= length;
                    reader.next += 1;
                }
            }
            Source::Disk(_) => {
                reader.at = range.start;
                reader.skip = 0;
            }
            Source::Flight(_) | Source::Parts(_) => {}
        }
        reader
    }

    /// The next piece, never an empty one; `None` after the last.
    ///
    /// # Errors
    ///
    /// The body is not whole, or can't be read.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, ProxyError> {
        while self.left != Some(0) {
            let Some(mut piece) = self.raw().await? else {
                return Ok(None);
            };
            let length = piece.len() as u64;
            if self.skip >= length {
                self.skip -= length;
                continue;
            }
            if self.skip > 0 {
                piece = piece.slice(usize::try_from(self.skip).unwrap_or(usize::MAX)..);
                self.skip = 0;
            }
            if let Some(left) = &mut self.left {
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
            }
            return Ok(Some(piece));
        }
        Ok(None)
    }

    /// Whether the piece that was given last was the last one, as far as that is known without waiting.
    pub fn is_over(&self) -> bool {
        self.left == Some(0)
            || match &*self.source {
                Source::Memory(chunks) => self.next >= chunks.pieces().len(),
                Source::Disk(body) => self.at >= body.len(),
                Source::Flight(_) | Source::Parts(_) => false,
            }
    }

    /// Whether nobody knows how long the next piece will take.
    pub fn must_wait(&self) -> bool {
        match &*self.source {
            Source::Flight(reader) => reader.must_wait(),
            Source::Memory(_) | Source::Disk(_) | Source::Parts(_) => false,
        }
    }

    async fn raw(&mut self) -> Result<Option<Bytes>, ProxyError> {
        match &mut *self.source {
            Source::Memory(chunks) => {
                let piece = chunks.pieces().get(self.next).cloned();
                self.next += 1;
                Ok(piece)
            }
            Source::Disk(body) => {
                let rest = body.len().saturating_sub(self.at);
                if rest == 0 {
                    return Ok(None);
                }
                let most = self.left.map_or(rest, |left| left.min(rest));
                let most = usize::try_from(most).map_or(FROM_DISK, |most| most.min(FROM_DISK));
                let piece = body.read(self.at, most).await.map_err(|error| {
                    log::warn!("cache: a body on disk can't be read: {error}");
                    ProxyError::new(Reason::Internal, Phase::Body)
                })?;
                if piece.is_empty() {
                    return Err(ProxyError::new(Reason::Internal, Phase::Body));
                }
                self.at += piece.len() as u64;
                Ok(Some(piece))
            }
            // They are read by range.
            Source::Parts(_) => Err(ProxyError::new(Reason::Internal, Phase::Body)),
            Source::Flight(reader) => reader.piece().await,
        }
    }
}
