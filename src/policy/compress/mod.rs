//! Which answers are compressed for clients that can read that, how, and what do their fields say then?
//!
//! Everything here goes without a session, so that answers from anywhere can pass: [`Compress::choose`] says what becomes of
//! one, [`Compress::dress`] changes its fields, and the [`Encoding`] of [`Compress::begin`] its body.

mod eligible;
mod encoder;
mod fields;
mod negotiate;
mod room;

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};

pub use crate::config::route::compress::Coding;
use crate::config::route::compress::Compress as Written;
use crate::proxy::forward::Fields;
use crate::telemetry::metrics::CompressionMetrics;
use eligible::{Types, has_whole_body, is_coded, is_untouchable, is_vouched_for};
pub use encoder::{Encoder, LARGEST_PIECE};
pub use fields::dress_not_modified;
pub use negotiate::negotiate;
pub use room::Room;
use room::{Taken, cost};

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing: it is the same for everyone.
    Leave,
    /// This client gets it as it is; others may get it coded.
    Plain,
    /// It gets this coding.
    Coded(Coding),
}

impl Choice {
    /// Its coding.
    pub const fn coding(self) -> Option<Coding> {
        match self {
            Self::Coded(coding) => Some(coding),
            Self::Leave | Self::Plain => None,
        }
    }
}

/// Which answers of a route are compressed, and how.
pub struct Compress {
    /// In the order in which they are preferred, with their levels.
    codings: Box<[(Coding, u8)]>,
    min_size: u64,
    types: Types,
    room: Arc<Room>,
    /// How much of it there may be.
    most: u64,
    metrics: CompressionMetrics,
    /// The route's own answer, if it has one, in each coding that was asked for so far.
    fixed: [OnceLock<Bytes>; Coding::ALL.len()],
}

impl Compress {
    /// The compiled form, whose encoders take of `room` together with all others `most` bytes. `complain` gets the place in the list `types` of each that is none, and why.
    pub fn compile(
        written: &Written,
        room: Arc<Room>,
        most: u64,
        metrics: CompressionMetrics,
        complain: impl FnMut(usize, &'static str),
    ) -> Self {
        let types = written.types.iter().map(|media| media.value.as_str());
        let codings = written.codings.iter().map(|coding| coding.value);
        Self {
            codings: codings
                .map(|coding| (coding, written.level.of(coding).value))
                .collect(),
            min_size: written.min_size.as_u64(),
            types: Types::compile(types, complain),
            room,
            most,
            metrics,
            fixed: Default::default(),
        }
    }

    /// Decides about an answer with these fields and a body of `length` bytes, if that is known, to a request that `asked`
    /// so. A request for HEAD is answered as one for GET.
    pub fn choose(
        &self,
        asked: &HeaderMap,
        status: StatusCode,
        fields: &HeaderMap,
        length: Option<u64>,
    ) -> Choice {
        if !self.is_eligible(status, fields, length) {
            return Choice::Leave;
        }
        let offered = self.codings.iter().map(|(coding, _)| *coding);
        match negotiate(asked, offered) {
            Some(coding) if !is_untouchable(asked) => Choice::Coded(coding),
            _ => Choice::Plain,
        }
    }

    /// Whether there are clients who would get it coded.
    pub fn is_eligible(&self, status: StatusCode, fields: &HeaderMap, length: Option<u64>) -> bool {
        has_whole_body(status)
            && length.is_none_or(|length| length > 0 && length >= self.min_size)
            && self.types.contain(fields)
            && !is_coded(fields)
            && !is_untouchable(fields)
            && !is_vouched_for(fields)
    }

    /// Makes the fields those of the answer as it was chosen to be.
    pub fn dress(&self, fields: &mut impl Fields, choice: Choice) {
        match choice {
            Choice::Leave => {}
            Choice::Plain => fields::add_vary(fields),
            Choice::Coded(coding) => {
                fields::dress(fields, coding);
                self.metrics.answers[coding as usize].inc();
            }
        }
    }

    /// As [`choose`](Self::choose) and [`dress`](Self::dress), for the one answer that the route gives by itself. Its body,
    /// if it is to be a coded one; that is made once.
    pub fn fixed(
        &self,
        asked: &HeaderMap,
        status: StatusCode,
        fields: &mut impl Fields,
        body: &Bytes,
    ) -> Option<Bytes> {
        let length = body.len() as u64;
        let mut choice = self.choose(asked, status, fields.map(), Some(length));
        let coded = choice.coding().and_then(|coding| {
            let made = &self.fixed[coding as usize];
            if let Some(made) = made.get() {
                return Some(made.clone());
            }
            // Not held while it is made: two who come first at once make it both, and one of them counts.
            let coded = self.whole(coding, body)?;
            Some(made.get_or_init(|| coded).clone())
        });
        if coded.is_none() && choice != Choice::Leave {
            choice = Choice::Plain;
        }
        self.dress(fields, choice);
        coded
    }

    fn whole(&self, coding: Coding, body: &[u8]) -> Option<Bytes> {
        let mut encoding = self.begin(coding, Some(body.len() as u64))?;
        let mut out = encoding.push(body).ok()?.to_vec();
        out.extend_from_slice(&encoding.finish().ok()?);
        Some(out.into())
    }

    /// Begins to code a body of `length` bytes, if that is known. What goes in and comes out is counted. `None` if encoders
    /// have taken all the memory that they may: then the answer goes out as it is.
    pub fn begin(&self, coding: Coding, length: Option<u64>) -> Option<Encoding> {
        let level = self.codings.iter().find(|(known, _)| *known == coding);
        let level = level.map_or(*coding.levels().start(), |(_, level)| *level);
        let taken = self.room.take(cost(coding, level, length), self.most);
        // The library refuses only for want of memory as well.
        let encoder = taken.and_then(|taken| {
            let encoder = Encoder::new(coding, level, length).ok()?;
            Some((encoder, taken))
        });
        let Some((encoder, taken)) = encoder else {
            self.metrics.without_room.inc();
            return None;
        };
        self.metrics.encodings[coding as usize].inc();
        Some(Encoding {
            encoder,
            _taken: taken,
            metrics: self.metrics.clone(),
        })
    }
}

impl fmt::Debug for Compress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compress")
            .field("codings", &self.codings)
            .field("min_size", &self.min_size)
            .field("types", &self.types)
            .finish_non_exhaustive()
    }
}

/// The length that an answer says it has.
pub fn length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body on its way into a coding, of which is counted what goes in and comes out. As [`Encoder`].
pub struct Encoding {
    encoder: Encoder,
    _taken: Taken,
    metrics: CompressionMetrics,
}

impl Encoding {
    /// As [`Encoder::is_pending`].
    pub const fn is_pending(&self) -> bool {
        self.encoder.is_pending()
    }

    /// As [`Encoder::push`].
    ///
    /// # Errors
    ///
    /// As [`Encoder::push`].
    pub fn push(&mut self, piece: &[u8]) -> io::Result<Bytes> {
        let coding = self.encoder.coding();
        self.metrics.bytes_in[coding as usize].inc_by(piece.len() as u64);
        let out = self.encoder.push(piece)?;
        Ok(counted(&self.metrics, coding, out))
    }

    /// As [`Encoder::flush`].
    ///
    /// # Errors
    ///
    /// As [`Encoder::push`].
    pub fn flush(&mut self) -> io::Result<Bytes> {
        let out = self.encoder.flush()?;
        Ok(counted(&self.metrics, self.encoder.coding(), out))
    }

    /// As [`Encoder::finish`].
    ///
    /// # Errors
    ///
    /// As [`Encoder::push`].
    pub fn finish(self) -> io::Result<Bytes> {
        let coding = self.encoder.coding();
        let out = self.encoder.finish()?;
        Ok(counted(&self.metrics, coding, out))
    }
}

fn counted(metrics: &CompressionMetrics, coding: Coding, out: Bytes) -> Bytes {
    metrics.bytes_out[coding as usize].inc_by(out.len() as u64);
    out
}
