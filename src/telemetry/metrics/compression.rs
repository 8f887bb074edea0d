//! What is told of answers that are compressed? Only of routes that do that.

use prometheus::{IntCounter, IntCounterVec};

use super::families::{counter, remove_counter};
use super::live::{Family, Handle};
use crate::config::route::compress::Coding;

/// The metrics of one route that compresses.
pub type CompressionMetrics = Handle<Compression>;

/// The metrics of compression, labelled by route and coding.
pub struct Compression {
    pub(super) answers: IntCounterVec,
    pub(super) encodings: IntCounterVec,
    pub(super) bytes_in: IntCounterVec,
    pub(super) bytes_out: IntCounterVec,
    pub(super) without_room: IntCounterVec,
}

/// What a [`CompressionMetrics`] gives access to; lists by the number of the coding.
pub struct CompressionSeries {
    /// Answers that went out in it.
    pub answers: [IntCounter; Coding::ALL.len()],
    /// Bodies that were put into it.
    pub encodings: [IntCounter; Coding::ALL.len()],
    /// Bytes of bodies before.
    pub bytes_in: [IntCounter; Coding::ALL.len()],
    /// Bytes of bodies after.
    pub bytes_out: [IntCounter; Coding::ALL.len()],
    /// Answers that went out as they are because encoders had all the memory that they may have.
    pub without_room: IntCounter,
}

impl Family for Compression {
    type Series = CompressionSeries;

    fn resolve(&self, labels: &[&str]) -> CompressionSeries {
        let of = |counters| Coding::ALL.map(|coding| counter(counters, labels, coding.as_str()));
        CompressionSeries {
            answers: of(&self.answers),
            encodings: of(&self.encodings),
            bytes_in: of(&self.bytes_in),
            bytes_out: of(&self.bytes_out),
            without_room: self.without_room.with_label_values(labels),
        }
    }

    fn remove(&self, labels: &[&str]) {
        // Removing fails only for a series that is not there.
        let _ = self.without_room.remove_label_values(labels);
        for coding in Coding::ALL {
            for counters in [
                &self.answers,
                &self.encodings,
                &self.bytes_in,
                &self.bytes_out,
            ] {
                remove_counter(counters, labels, coding.as_str());
            }
        }
    }
}
