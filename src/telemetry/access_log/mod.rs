//! How does a finished request become a line in the access log without ever waiting for a disk?
//!
//! The request's thread formats its line into a buffer it keeps, then copies it into a bounded queue under a short lock.
//! One thread of the log takes what has gathered and writes it. If it can't keep up, lines are dropped and counted: a log
//! must not slow down what it logs.

mod format;
mod headers;
mod mask;
mod open;
mod queue;
mod sample;
mod sink;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use super::Record;
use super::metrics::AccessLogMetrics;
use queue::{Batch, Queue};
use sink::Sink;

pub use format::{Format, Layout};
pub use headers::Chosen;
pub use mask::{Mask, Pattern};
pub use open::OpenLogs;
pub use sample::{Outcome, Sample};

/// A line that needed a larger buffer than this gives it back: one huge request shall not hold memory for ever.
const KEPT_LINE_BYTES: usize = 64 * 1024;

thread_local! {
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The end of this file, created with mode 0640 if it is missing.
    File(PathBuf),
    /// The process's standard output.
    Stdout,
    /// The process's standard error.
    Stderr,
}

/// What an access log is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the lines go.
    pub destination: Destination,
    /// How a request becomes a line.
    pub format: Format,
    /// Which requests have a line.
    pub sample: Sample,
    /// What no line shows.
    pub mask: Mask,
    /// How many bytes of lines may wait to be written; a line that would exceed them is dropped.
    /// The log takes at most twice this memory.
    pub queue_bytes: usize,
}

impl Settings {
    /// The default of [`Settings::queue_bytes`]: 8 MiB.
    pub const QUEUE_BYTES: usize = 8 * 1024 * 1024;
}

/// An open access log.
///
/// Dropping it never waits: its thread writes what is queued and then closes the file. To change settings, open another
/// log and drop this one; before the process exits, [flush](OpenLogs::flush) all.
pub struct AccessLog {
    format: Format,
    sample: Sample,
    mask: Mask,
    queue: Arc<Queue>,
    metrics: AccessLogMetrics,
}

impl AccessLog {
    /// Opens the destination and starts the thread that writes to it.
    ///
    /// # Errors
    ///
    /// The file can't be opened, or the system gives no memory or no thread.
    pub fn open(settings: &Settings, metrics: AccessLogMetrics) -> io::Result<Self> {
        let sink = Sink::open(settings.destination.clone())?;
        Self::start(sink, settings, metrics)
    }

    fn start(sink: Sink, settings: &Settings, metrics: AccessLogMetrics) -> io::Result<Self> {
        let (queue, first) = Queue::new(settings.queue_bytes)?;
        let queue = Arc::new(queue);
        let (thread_queue, thread_metrics) = (Arc::clone(&queue), metrics.clone());
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_batches(&thread_queue, first, sink, &thread_metrics))?;
        Ok(Self {
            format: settings.format.clone(),
            sample: settings.sample,
            mask: settings.mask.clone(),
            queue,
            metrics,
        })
    }

    /// How many of a million requests that ended so have a line, if this one has. To be asked once, before a record is
    /// built.
    pub fn samples(&self, outcome: &Outcome) -> Option<u32> {
        self.sample.take(outcome)
    }

    /// Queues the line of `record`; drops and counts it if the queue is full. Of its like so many of a million have one.
    pub fn write(&self, record: &Record<'_>, of_a_million: u32) {
        let told = self.sample.is_partial().then_some(of_a_million);
        let mut line = LINE.take();
        line.clear();
        self.format.append(&mut line, record, &self.mask, told);
        if !self.queue.push(&line) {
            self.metrics.dropped.inc();
        }
        if line.capacity() <= KEPT_LINE_BYTES {
            LINE.set(line);
        }
    }

    /// The fields of requests that a line may show.
    pub fn request_headers(&self) -> &[Chosen] {
        match &self.format {
            Format::Json(layout) => &layout.request_headers,
            Format::Combined => &[],
        }
    }

    #[cfg(test)]
    pub(crate) fn flush(&self, patience: std::time::Duration) -> bool {
        self.queue.wait_until_written(patience)
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The log's thread: writes batch after batch until the log is closed and its queue empty.
fn write_batches(queue: &Queue, mut batch: Batch, mut sink: Sink, metrics: &AccessLogMetrics) {
    while queue.next(&mut batch) {
        if batch.reopen {
            sink.reopen();
        }
        let lost = sink.write(&batch.bytes, || queue.is_closed());
        if lost > 0 {
            metrics.write_errors.inc();
            metrics.dropped.inc_by(lost);
        }
        metrics.written.inc_by(batch.lines.saturating_sub(lost));
    }
}

#[cfg(test)]
mod tests;
