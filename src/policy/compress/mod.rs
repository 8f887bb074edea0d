//! Which answers are compressed for clients that can read that, how, and what do their fields say then?
//!
//! Everything here goes without a session, so that answers from anywhere can pass: [`Compress::choose`] says what becomes of
//! one, [`Compress::dress`] changes its fields, and the [`Encoding`] of [`Compress::begin`] its body.

mod eligible;
mod encoder;
mod fields;
mod negotiate;

use std::fmt;
use std::io;

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
    metrics: CompressionMetrics,
}

impl Compress {
    /// The compiled form; `complain` gets the place in the list `types` of each that is none, and why.
    pub fn compile(
        written: &Written,
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
            metrics,
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

    /// Begins to code a body of `length` bytes, if that is known. What goes in and comes out is counted.
    ///
    /// # Errors
    ///
    /// As [`Encoder::new`].
    pub fn begin(&self, coding: Coding, length: Option<u64>) -> io::Result<Encoding> {
        let level = self.codings.iter().find(|(known, _)| *known == coding);
        let level = level.map_or(*coding.levels().start(), |(_, level)| *level);
        let encoder = Encoder::new(coding, level, length)?;
        self.metrics.encodings[coding as usize].inc();
        Ok(Encoding {
            encoder,
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
