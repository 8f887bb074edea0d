//! What does a file of the disk tier look like?
//!
//! ```text
//! preamble  64 bytes: magic and version, kind, how many slots of which size, key hash, nonce, body length, checksum
//! slots     one, as long as its head; or two with room to grow, of which the valid one with the higher number counts
//! body      blocks of 65,532 bytes (the last may be shorter), each followed by its checksum
//! ```
//!
//! A checksum is a CRC-32 that begins with the file's nonce and the place, so that neither a block of another file nor
//! one of another place is taken for the right one. An object of at most [`SMALL`] bytes has one slot: it is read whole,
//! and written anew when it is freshened. A larger one has two: freshening it writes the slot that does not count, and
//! whatever happens meanwhile, one of them is whole.

use bytes::{BufMut, Bytes};
use crc32fast::Hasher;

/// The first bytes of every file, with the version of all that is said here and of `codec.rs`.
const MAGIC: [u8; 8] = *b"PCCACHE\x01";

/// How long the preamble is.
pub(super) const PREAMBLE: usize = 64;

/// What stands in a slot before the head: its number, the head's length, the checksum of both and the head.
const SLOT_HEAD: usize = 12;

/// The longest head that is stored.
pub(super) const MAX_HEAD: usize = 1 << 20;

/// What a slot of a large object has free, for a head that grows when it is freshened.
const ROOM: usize = 1024;

/// How many bytes of a body stand in one block.
pub(super) const DATA: usize = BLOCK - CHECKSUM;

/// How long a checksum is.
pub(super) const CHECKSUM: usize = 4;

/// How long a whole block is with its checksum: slots of large objects are such that blocks begin at whole pages.
pub(super) const BLOCK: usize = 64 * 1024;

/// The longest body that is read whole, and checked before its first byte is given out.
pub(super) const SMALL: u64 = 256 * 1024;

/// A page, as far as the layout goes.
const PAGE: usize = 4096;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An object.
    Object,
    /// By what the responses under its key vary.
    Varies,
}

/// What a file says of itself at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Preamble {
    pub(super) kind: Kind,
    pub(super) key: u128,
    /// A random number that is different in every file.
    pub(super) nonce: u64,
    /// Whether there are two slots.
    pub(super) is_large: bool,
    /// How long a slot is.
    pub(super) slot: u32,
    /// How long the body is, without checksums.
    pub(super) length: u64,
}

impl Preamble {
    /// Of a new file with a head of so many bytes.
    pub(super) fn new(kind: Kind, key: u128, head: usize, length: Option<u64>) -> Option<Self> {
        if head > MAX_HEAD {
            return None;
        }
        let is_large = length.is_none_or(|length| length > SMALL);
        let slot = if is_large {
            // Preamble and both slots end where a page ends.
            (SLOT_HEAD + head + ROOM).next_multiple_of(PAGE / 2) + (PAGE - PREAMBLE) / 2
        } else {
            SLOT_HEAD + head
        };
        Some(Self {
            kind,
            key,
            nonce: fastrand::u64(..),
            is_large,
            slot: u32::try_from(slot).ok()?,
            length: length.unwrap_or(0),
        })
    }

    pub(super) fn write(&self) -> [u8; PREAMBLE] {
        let mut out = Vec::with_capacity(PREAMBLE);
        out.put_slice(&MAGIC);
        out.put_u8(match self.kind {
            Kind::Object => 0,
            Kind::Varies => 1,
        });
        out.put_u8(self.is_large.into());
        out.put_u16_le(0);
        out.put_u32_le(self.slot);
        out.put_u128_le(self.key);
        out.put_u64_le(self.nonce);
        out.put_u64_le(self.length);
        out.put_bytes(0, PREAMBLE - CHECKSUM - out.len());
        out.put_u32_le(crc32fast::hash(&out));
        let mut whole = [0; PREAMBLE];
        whole.copy_from_slice(&out);
        whole
    }

    /// Reads it again, if it is one, is whole, and is of a file for this key.
    pub(super) fn read(from: &[u8], key: u128) -> Option<Self> {
        let (whole, _) = from.split_first_chunk::<PREAMBLE>()?;
        let (content, checksum) = whole.split_last_chunk::<CHECKSUM>()?;
        if !content.starts_with(&MAGIC) || crc32fast::hash(content) != u32::from_le_bytes(*checksum)
        {
            return None;
        }
        let preamble = Self {
            kind: match content[8] {
                0 => Kind::Object,
                1 => Kind::Varies,
                _ => return None,
            },
            key: u128::from_le_bytes(*content[16..].first_chunk()?),
            nonce: u64::from_le_bytes(*content[32..].first_chunk()?),
            is_large: content[9] == 1,
            slot: u32::from_le_bytes(*content[12..].first_chunk()?),
            length: u64::from_le_bytes(*content[40..].first_chunk()?),
        };
        let fits = (SLOT_HEAD..=2 * MAX_HEAD).contains(&(preamble.slot as usize))
            && preamble.key == key
            && preamble.length < u64::MAX / 2;
        fits.then_some(preamble)
    }

    /// Where the body begins.
    pub(super) const fn body(&self) -> usize {
        PREAMBLE + self.slots() * self.slot as usize
    }

    /// How long the whole file is.
    pub(super) const fn file(&self) -> u64 {
        let blocks = self.length.div_ceil(DATA as u64);
        self.body() as u64 + self.length + blocks * CHECKSUM as u64
    }

    /// How many slots there are.
    pub(super) const fn slots(&self) -> usize {
        if self.is_large { 2 } else { 1 }
    }

    /// Where a slot begins.
    pub(super) const fn slot_at(&self, slot: usize) -> usize {
        PREAMBLE + slot * self.slot as usize
    }

    /// What to write into a slot; `None` if it has not the room.
    pub(super) fn filled(&self, number: u32, head: &[u8]) -> Option<Vec<u8>> {
        if SLOT_HEAD + head.len() > self.slot as usize {
            return None;
        }
        let length = u32::try_from(head.len()).ok()?;
        let mut out = Vec::with_capacity(SLOT_HEAD + head.len());
        out.put_u32_le(number);
        out.put_u32_le(length);
        out.put_u32_le(self.checksum(u64::from(number), head));
        out.put_slice(head);
        Some(out)
    }

    /// What stands before the body of a new file: the first slot holds the head, the second one nothing.
    pub(super) fn top(&self, head: &[u8]) -> Option<Vec<u8>> {
        let slot = self.filled(1, head)?;
        // Where all of a small file has room.
        let room = usize::try_from(self.file()).ok()?;
        let mut out = Vec::with_capacity(if self.is_large { self.body() } else { room });
        out.put_slice(&self.write());
        out.put_slice(&slot);
        out.resize(self.body(), 0);
        Some(out)
    }

    /// The head that counts, with its slot and number. `from` holds the file up to the body at least.
    pub(super) fn head(&self, from: &Bytes) -> Option<(Bytes, usize, u32)> {
        (0..self.slots())
            .filter_map(|slot| {
                let at = self.slot_at(slot);
                let whole = from.get(at..at + self.slot as usize)?;
                let (number, rest) = whole.split_first_chunk()?;
                let (length, rest) = rest.split_first_chunk()?;
                let (checksum, rest) = rest.split_first_chunk()?;
                let number = u32::from_le_bytes(*number);
                let head = rest.get(..u32::from_le_bytes(*length) as usize)?;
                let is_whole =
                    self.checksum(u64::from(number), head) == u32::from_le_bytes(*checksum);
                // Numbers begin with 1: a slot that was never written holds nothing.
                (is_whole && number > 0).then(|| (from.slice_ref(head), slot, number))
            })
            .max_by_key(|(.., number)| *number)
    }

    /// The checksum of the block or slot of this number.
    fn checksum(&self, number: u64, data: &[u8]) -> u32 {
        let mut hasher = Hasher::new();
        hasher.update(&self.nonce.to_le_bytes());
        hasher.update(&number.to_le_bytes());
        hasher.update(data);
        hasher.finalize()
    }

    /// What stands behind a block: its checksum.
    pub(super) fn seal(&self, block: u64, data: &[u8]) -> [u8; CHECKSUM] {
        // Apart from the numbers of slots.
        self.checksum(block | 1 << 63, data).to_le_bytes()
    }

    /// The pieces of a body, cut into blocks with their checksums. Pieces are taken from block `first` on; the last
    /// block may be shorter.
    pub(super) fn blocks<'p>(
        &self,
        first: u64,
        pieces: impl IntoIterator<Item = &'p [u8]>,
        out: &mut Vec<u8>,
    ) {
        let (mut block, mut begin) = (first, out.len());
        for mut piece in pieces {
            while !piece.is_empty() {
                let room = DATA - (out.len() - begin);
                let (taken, rest) = piece.split_at(room.min(piece.len()));
                out.extend_from_slice(taken);
                piece = rest;
                if out.len() - begin == DATA {
                    let seal = self.seal(block, &out[begin..]);
                    out.extend_from_slice(&seal);
                    (block, begin) = (block + 1, out.len());
                }
            }
        }
        if out.len() > begin {
            let seal = self.seal(block, &out[begin..]);
            out.extend_from_slice(&seal);
        }
    }

    /// The body of a file that was read whole: every block of it, if all are what they were.
    pub(super) fn whole_body(&self, file: &Bytes) -> Option<Vec<Bytes>> {
        if file.len() as u64 != self.file() {
            return None;
        }
        let mut rest = file.slice(self.body()..);
        let mut pieces = Vec::new();
        let mut block = 0;
        while !rest.is_empty() {
            let mut piece = rest.split_to(rest.len().min(BLOCK));
            let seal = piece.split_off(piece.len().checked_sub(CHECKSUM)?);
            if seal != self.seal(block, &piece)[..] {
                return None;
            }
            pieces.push(piece);
            block += 1;
        }
        Some(pieces)
    }
}

#[cfg(test)]
mod tests;
