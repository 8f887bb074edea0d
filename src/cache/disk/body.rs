//! How is a body read from its file, without a byte that was not written so?

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, IoSliceMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::format::{BLOCK, CHECKSUM, DATA, Preamble};
use super::tier::Tier;
use crate::telemetry::metrics::{DiskOperation, DiskRead};

/// How many blocks are read at once.
const MOST: usize = 4;

/// How many files may be open to be read from.
const MOST_OPEN: usize = 1024;

/// The body of a large object on disk. Its file stays open, so it can be read to the end whatever becomes of the object;
/// a clone reads from the same file.
#[derive(Clone)]
pub struct DiskBody(Arc<Open>);

struct Open {
    tier: Arc<Tier>,
    file: Arc<File>,
    preamble: Preamble,
}

impl DiskBody {
    /// Of a file that is as long as it says; `None` if too many are open.
    pub(super) fn new(tier: Arc<Tier>, file: Arc<File>, preamble: Preamble) -> Option<Self> {
        let opened = tier.open.fetch_add(1, Ordering::Relaxed);
        let open = Open {
            tier,
            file,
            preamble,
        };
        (opened < MOST_OPEN).then(|| Self(Arc::new(open)))
    }

    /// How long it is, in bytes.
    pub fn len(&self) -> u64 {
        self.0.preamble.length
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some bytes from `offset` on, at most so many: at least one, unless the body ends there. They are what was written.
    ///
    /// # Errors
    ///
    /// They can't be read, or are not what was written: then the object is removed.
    pub async fn read(&self, offset: u64, at_most: usize) -> io::Result<Bytes> {
        let left = self.len().saturating_sub(offset);
        let at_most = at_most.min(usize::try_from(left).unwrap_or(usize::MAX));
        if at_most == 0 {
            return Ok(Bytes::new());
        }
        let (told, read) = oneshot::channel();
        let open = self.0.clone();
        // Whoever reads has sent the first bytes to a client already: they wait for their turn, and are not sent away.
        self.0.tier.readers.push_always(move || {
            // Nobody may wait any more.
            let _ = told.send(open.read(offset, at_most));
        });
        read.await.map_err(|_| io::Error::from(ErrorKind::Other))?
    }

    pub(super) fn preamble(&self) -> &Preamble {
        &self.0.preamble
    }
}

impl fmt::Debug for DiskBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DiskBody").field(&self.0.preamble).finish()
    }
}

impl Open {
    fn read(&self, offset: u64, at_most: usize) -> io::Result<Bytes> {
        let read = read_blocks(
            &self.file,
            &self.preamble,
            self.preamble.length,
            offset,
            at_most,
        );
        if let Err(error) = &read {
            if error.kind() == ErrorKind::InvalidData {
                self.tier.metrics.read(DiskRead::Damaged);
                self.tier.remove_bad(self.preamble.key);
            } else {
                self.tier.metrics.read(DiskRead::Failed);
                self.tier.failed(DiskOperation::Read, error);
            }
        }
        read
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.tier.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Some bytes of a body of which so many are there, from `offset` on, in whole blocks or to the end: they are what was
/// written, or the error is [`ErrorKind::InvalidData`].
pub(super) fn read_blocks(
    file: &File,
    preamble: &Preamble,
    length: u64,
    offset: u64,
    at_most: usize,
) -> io::Result<Bytes> {
    let first = offset / DATA as u64;
    let begin = first * DATA as u64;
    let skipped = usize::try_from(offset - begin).map_err(io::Error::other)?;
    let wanted = skipped.saturating_add(at_most).div_ceil(DATA).min(MOST) * DATA;
    let there = usize::try_from(length.saturating_sub(begin)).unwrap_or(usize::MAX);
    let mut data = vec![0; wanted.min(there)];
    let mut seals = [[0; CHECKSUM]; MOST];
    fill(
        file,
        preamble.body() as u64 + first * BLOCK as u64,
        &mut data,
        &mut seals,
    )?;
    for ((block, data), seal) in (first..).zip(data.chunks(DATA)).zip(&seals) {
        if *seal != preamble.seal(block, data) {
            return Err(ErrorKind::InvalidData.into());
        }
    }
    let end = data.len().min(skipped.saturating_add(at_most));
    let data = Bytes::from(data);
    Ok(data.slice(skipped.min(end)..end))
}

/// Reads blocks and their checksums at once, apart from each other.
fn fill(
    file: &File,
    mut at: u64,
    data: &mut [u8],
    seals: &mut [[u8; CHECKSUM]; MOST],
) -> io::Result<()> {
    let mut places: Vec<IoSliceMut<'_>> = Vec::with_capacity(2 * MOST);
    for (data, seal) in data.chunks_mut(DATA).zip(seals) {
        places.push(IoSliceMut::new(data));
        places.push(IoSliceMut::new(seal));
    }
    let mut places = &mut places[..];
    while !places.is_empty() {
        match rustix::io::preadv(file, places, at) {
            // The file is shorter than it was.
            Ok(0) => return Err(ErrorKind::InvalidData.into()),
            Ok(read) => {
                at += read as u64;
                IoSliceMut::advance_slices(&mut places, read);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
