//! What is a stored response?

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};

use super::disk::DiskBody;
use super::purge::Marks;
use super::rules::{Partial, Terms, Validators};

/// One stored response. It does not change: one that is freshened is another object with the same body.
#[derive(Debug)]
pub struct Object {
    /// What it was stored under, whole: its hash finds it, this tells that it is the right one.
    pub key: Box<[u8]>,
    /// Everything but the body.
    pub head: Head,
    /// The body.
    pub body: Body,
}

/// Everything of a stored response but its body.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its fields as the endpoint sent them, without what belongs to the connection or must not be stored.
    pub fields: HeaderMap,
    /// How long, and on which terms, it may be used.
    pub terms: Terms,
    /// What tells it from other versions of itself.
    pub validators: Validators,
    /// What a purge finds it by.
    pub marks: Marks,
}

/// A body, wherever it is. A clone is the same body.
#[derive(Clone, Debug)]
pub enum Body {
    /// In memory.
    Memory(Chunks),
    /// On disk, in a file that is open.
    Disk(DiskBody),
    /// In memory, and only parts of it are there.
    Parts(Arc<Partial>),
}

impl Body {
    /// How long it is, in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(chunks) => chunks.len(),
            Self::Disk(body) => body.len(),
            Self::Parts(parts) => parts.complete(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A body in memory, in the pieces it came in.
#[derive(Clone, Debug)]
pub struct Chunks {
    pieces: Arc<[Bytes]>,
    length: u64,
}

impl Chunks {
    /// A body of these pieces.
    pub fn new(pieces: Vec<Bytes>) -> Self {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self {
            pieces: pieces.into(),
            length,
        }
    }

    /// Its pieces.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// How long it is, in bytes.
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// What stands under a key.
#[derive(Clone, Debug)]
pub enum Stored {
    /// A response.
    Object(Arc<Object>),
    /// The responses under it vary.
    Varies(Arc<Varies>),
    /// The last ones could not be stored, so until then no request waits for another's.
    Passes(Instant),
}

/// By which fields of the request the responses under a key vary.
#[derive(Debug)]
pub struct Varies {
    /// The key.
    pub key: Box<[u8]>,
    /// The fields.
    pub names: Box<[HeaderName]>,
    /// Goes into the keys of the variants, so that those of a former one that was removed are not found again.
    pub generation: u64,
    /// What a purge finds it by.
    pub marks: Marks,
}
