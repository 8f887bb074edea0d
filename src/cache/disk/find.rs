//! What stands under a key on disk?

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::body::DiskBody;
use super::codec;
use super::format::{Kind, Preamble, SMALL};
use super::tier::Tier;
use crate::cache::purge::Marks;
use crate::cache::{Body, Chunks, Object, Varies};
use crate::telemetry::metrics::{DiskOperation, DiskRead};

/// What was found on disk.
#[derive(Debug)]
pub enum Found {
    /// A response: a small one with its body in memory.
    Object(Box<Object>),
    /// The responses under this key vary.
    Varies(Varies),
}

/// A file of at most this many bytes is read with one read.
const AT_ONCE: u64 = SMALL + 64 * 1024;

/// How much of a longer one is read first.
const FIRST: u64 = 16 * 1024;

/// Why nothing was found.
pub(super) enum Missing {
    /// It is not what was written.
    Damaged,
    Full,
    Error(io::Error),
}

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Self {
        Self::Error(error)
    }
}

impl Tier {
    /// Looks for what stands under a key.
    pub(super) fn find(self: &Arc<Self>, key: u128) -> Option<Found> {
        let found = self.open_and_read(key);
        self.metrics.read(match &found {
            Ok(_) => DiskRead::Hit,
            Err(Missing::Damaged) => DiskRead::Damaged,
            Err(Missing::Full) => DiskRead::Full,
            Err(Missing::Error(error)) if error.kind() == ErrorKind::NotFound => DiskRead::Miss,
            Err(Missing::Error(_)) => DiskRead::Failed,
        });
        match found {
            Ok(found) => {
                let marks = match &found {
                    Found::Object(object) => &object.head.marks,
                    Found::Varies(varies) => &varies.marks,
                };
                self.books().index.learn_if_unknown(key, marks);
                return Some(found);
            }
            Err(Missing::Damaged) => self.remove_bad(key),
            Err(Missing::Full) => {}
            Err(Missing::Error(error)) if error.kind() == ErrorKind::NotFound => self.missed(key),
            Err(Missing::Error(error)) => self.failed(DiskOperation::Read, &error),
        }
        None
    }

    fn open_and_read(self: &Arc<Self>, key: u128) -> Result<Found, Missing> {
        let file = File::open(self.place.file(key)).map_err(|error| match error.kind() {
            // It is not ours, but the directory is.
            ErrorKind::PermissionDenied => Missing::Damaged,
            _ => Missing::Error(error),
        })?;
        let (bytes, preamble, length) = read_top(&file, key)?;
        let (head, ..) = preamble.head(&bytes).ok_or(Missing::Damaged)?;
        if length != preamble.file() {
            return Err(Missing::Damaged);
        }
        if preamble.kind == Kind::Varies {
            let varies = codec::read_varies(head).ok_or(Missing::Damaged)?;
            return Ok(Found::Varies(varies));
        }
        let (key, head) = codec::read_head(head).ok_or(Missing::Damaged)?;
        let body = if preamble.is_large {
            DiskBody::new(self.clone(), Arc::new(file), preamble)
                .map(Body::Disk)
                .ok_or(Missing::Full)?
        } else {
            let pieces = preamble.whole_body(&bytes).ok_or(Missing::Damaged)?;
            Body::Memory(Chunks::new(pieces))
        };
        Ok(Found::Object(Box::new(Object { key, head, body })))
    }

    /// What a purge goes by, as it stands in the file; `None` if it can't be told.
    pub(super) fn marks(&self, key: u128) -> Option<Marks> {
        let file = File::open(self.place.file(key)).ok()?;
        let (bytes, preamble, _) = read_top(&file, key).ok()?;
        let (head, ..) = preamble.head(&bytes)?;
        codec::read_marks(head)
    }
}

/// Everything before the body; of a small file, all.
pub(super) fn read_top(file: &File, key: u128) -> Result<(Bytes, Preamble, u64), Missing> {
    let length = file.metadata()?.len();
    let first = if length <= AT_ONCE { length } else { FIRST };
    let mut bytes = vec![0; usize::try_from(first).map_err(io::Error::other)?];
    read_exact(file, &mut bytes, 0)?;
    let preamble = Preamble::read(&bytes, key).ok_or(Missing::Damaged)?;
    let wanted = if preamble.is_large {
        preamble.body() as u64
    } else if preamble.length <= SMALL {
        preamble.file()
    } else {
        return Err(Missing::Damaged);
    };
    if wanted > length {
        return Err(Missing::Damaged);
    }
    let read = bytes.len();
    let wanted = usize::try_from(wanted).map_err(io::Error::other)?;
    if wanted > read {
        bytes.resize(wanted, 0);
        read_exact(file, &mut bytes[read..], read as u64)?;
    }
    Ok((Bytes::from(bytes), preamble, length))
}

fn read_exact(file: &File, into: &mut [u8], at: u64) -> Result<(), Missing> {
    file.read_exact_at(into, at)
        .map_err(|error| match error.kind() {
            // It is shorter than it was.
            ErrorKind::UnexpectedEof => Missing::Damaged,
            _ => Missing::Error(error),
        })
}
