//! How does a body get a coding, piece by piece?
//!
//! One encoder over three libraries, whose memory is bounded by small windows: an edge has many answers under way at once,
//! and what is further away than some hundred KiB seldom comes again in a page.

use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::{Compress as Deflate, Compression, FlushCompress, Status};
use zstd::stream::raw::{CParameter, Encoder as Zstd, InBuffer, Operation, OutBuffer};

use super::Coding;

/// The most bytes that go through an encoder in one call: whoever has more lets others work in between.
pub const LARGEST_PIECE: usize = 64 * 1024;

/// Room for what comes out at once, at least.
const ROOM: usize = 4 * 1024;

/// A body on its way into a coding. One that is dropped before [`finish`](Self::finish) has no end, and whoever reads it sees
/// that.
pub struct Encoder {
    coding: Coding,
    inner: Inner,
    /// Whether something went in that may not have come out.
    pending: bool,
}

enum Inner {
    Gzip(Deflate),
    // Boxed: its state is large.
    Br(Box<CompressorWriter<Vec<u8>>>),
    Zstd(Zstd<'static>),
}

impl Encoder {
    /// An encoder of this level (within [`Coding::levels`]) for a body of `length` bytes, if that is known: a short one takes
    /// less memory.
    ///
    /// # Errors
    ///
    /// The library refuses a parameter, or there is no memory.
    pub fn new(coding: Coding, level: u8, length: Option<u64>) -> io::Result<Self> {
        let window = window(coding, level, length);
        let inner = match coding {
            Coding::Gzip => Inner::Gzip(Deflate::new_gzip(Compression::new(level.into()), window)),
            Coding::Br => {
                let params = BrotliEncoderParams {
                    quality: level.into(),
                    lgwin: window.into(),
                    // Zero says that it is not known.
                    size_hint: usize::try_from(length.unwrap_or(0)).unwrap_or(usize::MAX),
                    ..BrotliEncoderParams::default()
                };
                let writer = CompressorWriter::with_params(Vec::new(), ROOM, &params);
                Inner::Br(Box::new(writer))
            }
            Coding::Zstd => {
                let mut encoder = Zstd::new(level.into())?;
                // Its own tables for such a window are larger, and hardly better.
                let window = u32::from(window);
                for parameter in [
                    CParameter::WindowLog(window),
                    CParameter::HashLog((window + 1).min(15)),
                    CParameter::ChainLog(window.min(15)),
                ] {
                    encoder.set_parameter(parameter)?;
                }
                Inner::Zstd(encoder)
            }
        };
        Ok(Self {
            coding,
            inner,
            pending: false,
        })
    }

    /// Its coding.
    pub const fn coding(&self) -> Coding {
        self.coding
    }

    /// Whether [`flush`](Self::flush) may have something to give.
    pub const fn is_pending(&self) -> bool {
        self.pending
    }

    /// Takes a piece of the body in, of [`LARGEST_PIECE`] at most if others wait for the thread, and gives what has come
    /// out: nothing, often.
    ///
    /// # Errors
    ///
    /// The library fails; the body can't be ended then.
    pub fn push(&mut self, piece: &[u8]) -> io::Result<Bytes> {
        self.pending |= !piece.is_empty();
        match &mut self.inner {
            Inner::Gzip(deflate) => gzip(deflate, piece, FlushCompress::None),
            Inner::Br(writer) => {
                writer.write_all(piece)?;
                Ok(taken(writer))
            }
            Inner::Zstd(zstd) => {
                let mut out = Vec::with_capacity(ROOM);
                let mut input = InBuffer::around(piece);
                while input.pos() < piece.len() {
                    step(&mut out, |out| zstd.run(&mut input, out))?;
                }
                Ok(out.into())
            }
        }
    }

    /// Gives everything that went in, so that the client can read it; the coding is worse for it.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn flush(&mut self) -> io::Result<Bytes> {
        if !std::mem::take(&mut self.pending) {
            return Ok(Bytes::new());
        }
        match &mut self.inner {
            Inner::Gzip(deflate) => gzip(deflate, &[], FlushCompress::Sync),
            Inner::Br(writer) => {
                writer.flush()?;
                Ok(taken(writer))
            }
            Inner::Zstd(zstd) => {
                let mut out = Vec::with_capacity(ROOM);
                while step(&mut out, |out| zstd.flush(out))? > 0 {}
                Ok(out.into())
            }
        }
    }

    /// Ends the body: gives the rest, and what says that it is whole.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn finish(self) -> io::Result<Bytes> {
        match self.inner {
            Inner::Gzip(mut deflate) => gzip(&mut deflate, &[], FlushCompress::Finish),
            Inner::Br(writer) => Ok(writer.into_inner().into()),
            Inner::Zstd(mut zstd) => {
                let mut out = Vec::with_capacity(ROOM);
                while step(&mut out, |out| zstd.finish(out, false))? > 0 {}
                Ok(out.into())
            }
        }
    }
}

/// How many bits the distance has over which an encoder looks back in a body of `length` bytes, if that is known.
pub(super) fn window(coding: Coding, level: u8, length: Option<u64>) -> u8 {
    let (least, most) = match (coding, level) {
        (Coding::Gzip, _) => (9, 15),
        (Coding::Br, 0..=4) => (10, 16),
        // With smaller windows the library takes another table from this level on, of 32 MiB.
        (Coding::Br, _) => (17, 17),
        (Coding::Zstd, _) => (10, 16),
    };
    let Some(length) = length else { return most };
    let needed = length.max(1).checked_next_power_of_two();
    let needed = needed.map_or(u64::BITS, u64::trailing_zeros);
    u8::try_from(needed).unwrap_or(most).clamp(least, most)
}

fn gzip(deflate: &mut Deflate, piece: &[u8], flush: FlushCompress) -> io::Result<Bytes> {
    let mut out = Vec::with_capacity(ROOM);
    let before = deflate.total_in();
    loop {
        if out.capacity() - out.len() < ROOM / 4 {
            out.reserve(ROOM);
        }
        // A piece is in memory, so its length fits.
        let done = usize::try_from(deflate.total_in() - before).unwrap_or(piece.len());
        let rest = piece.get(done..).unwrap_or_default();
        let status = deflate.compress_vec(rest, &mut out, flush)?;
        let is_done = match flush {
            FlushCompress::Finish => status == Status::StreamEnd,
            // Where it has left room it has nothing more to give (zlib: deflate).
            _ => out.len() < out.capacity(),
        };
        if is_done {
            return Ok(out.into());
        }
    }
}

fn taken(writer: &mut CompressorWriter<Vec<u8>>) -> Bytes {
    std::mem::take(writer.get_mut()).into()
}

/// Lets `work` write behind what is in `out`, with room for it.
fn step(
    out: &mut Vec<u8>,
    work: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> io::Result<usize>,
) -> io::Result<usize> {
    if out.capacity() - out.len() < ROOM / 4 {
        out.reserve(ROOM);
    }
    let filled = out.len();
    work(&mut OutBuffer::around_pos(out, filled))
}

#[cfg(test)]
mod tests;
