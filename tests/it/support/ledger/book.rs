//! What became of each request?

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Kind, PATIENCE};

/// How many failures a report prints.
const PRINTED: usize = 30;

/// How a request, or a connection, failed; the text says more.
#[derive(Clone, Debug)]
pub enum What {
    /// There was no connection: refused, reset, no handshake, or gone before its first request.
    NoConnection(String),
    /// A request was sent, and no answer came.
    Unanswered(String),
    /// An answer began and broke off.
    CutShort(String),
    /// A whole answer, but not the right one.
    Wrong(String),
    /// HTTP/2: RST_STREAM with REFUSED_STREAM.
    RefusedStream(String),
    /// HTTP/2: the stream was beyond the last one that a GOAWAY says will be served.
    PastGoAway(String),
    /// The other end ended what should have lasted.
    Ended(String),
    /// Nothing came in time.
    Late(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::NoConnection(more) => write!(f, "no connection: {more}"),
            What::Unanswered(more) => write!(f, "sent, but not answered: {more}"),
            What::CutShort(more) => write!(f, "the answer was cut short: {more}"),
            What::Wrong(more) => write!(f, "the wrong answer: {more}"),
            What::RefusedStream(more) => write!(f, "the stream was refused: {more}"),
            What::PastGoAway(more) => write!(f, "the stream came after GOAWAY: {more}"),
            What::Ended(more) => write!(f, "ended by the other side: {more}"),
            What::Late(more) => write!(f, "not within {PATIENCE:?}: {more}"),
        }
    }
}

/// The future's output, or what was waited for in vain.
///
/// # Errors
///
/// [`What::Late`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T, What> {
    let output = tokio::time::timeout(PATIENCE, future).await;
    output.map_err(|_| What::Late(what.to_owned()))
}

/// One failure.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Whose.
    pub kind: Kind,
    /// How long after the ledger's start.
    pub when: Duration,
    /// How.
    pub what: What,
}

/// What a ledger has written down.
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Requests given to a connection; a WebSocket is one, and so is a response of events.
    pub sent: BTreeMap<Kind, u64>,
    /// Whole and right answers; echoes; events. Every kind that was started is there, if only with 0.
    pub answered: BTreeMap<Kind, u64>,
    /// How often a connection that had ended in good order was replaced.
    pub reconnects: BTreeMap<Kind, u64>,
    /// In the order in which they happened.
    pub failures: Vec<Failure>,
    /// The code with which the other end closed the WebSocket (RFC 6455 §7.4; 1005: none), be it as the answer to the
    /// ledger's own 1000.
    pub websocket_close: Option<u16>,
}

impl Report {
    /// Panics with the failures, or with the kinds that had no answer at all: clients that did nothing prove nothing.
    pub fn assert_clean(&self) {
        let idle = self.answered.values().any(|count| *count == 0);
        assert!(
            self.failures.is_empty() && !idle && !self.answered.is_empty(),
            "the ledger is not clean:\n{self}"
        );
    }

    /// The failures of one kind.
    pub fn failures_of(&self, kind: Kind) -> Vec<&Failure> {
        let failures = self.failures.iter();
        failures.filter(|failure| failure.kind == kind).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, answered) in &self.answered {
            let count = |counts: &BTreeMap<Kind, u64>| counts.get(kind).copied().unwrap_or(0);
            let failed = self.failures_of(*kind).len();
            let (sent, reconnects) = (count(&self.sent), count(&self.reconnects));
            writeln!(
                f,
                "{kind:?}: {sent} sent, {answered} answered, {reconnects} reconnects, {failed} failures"
            )?;
        }
        if let Some(code) = self.websocket_close {
            writeln!(f, "the WebSocket was closed with {code}")?;
        }
        for Failure { kind, when, what } in self.failures.iter().take(PRINTED) {
            writeln!(f, "{:>9.3} s {kind:?}: {what}", when.as_secs_f64())?;
        }
        let more = self.failures.len().saturating_sub(PRINTED);
        if more > 0 {
            writeln!(f, "and {more} more")?;
        }
        Ok(())
    }
}

/// Where all clients write.
pub struct Book {
    started: Instant,
    report: Mutex<Report>,
    /// How many clients have not had an answer yet.
    waiting: AtomicUsize,
    stopping: watch::Sender<bool>,
}

impl Book {
    pub fn new(kinds: &[Kind]) -> Arc<Self> {
        let report = Report {
            answered: kinds.iter().map(|kind| (*kind, 0)).collect(),
            ..Report::default()
        };
        Arc::new(Self {
            started: Instant::now(),
            report: Mutex::new(report),
            waiting: AtomicUsize::new(0),
            stopping: watch::Sender::new(false),
        })
    }

    /// Asks all clients to finish.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether every client has had an answer.
    pub fn is_settled(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    pub fn report(&self) -> Report {
        self.written().clone()
    }

    fn written(&self) -> MutexGuard<'_, Report> {
        self.report.lock().expect("no panic inside")
    }
}

/// Where one client writes.
#[derive(Clone)]
pub struct Page {
    book: Arc<Book>,
    kind: Kind,
    /// The client has had an answer.
    settled: Arc<AtomicBool>,
}

impl Page {
    pub fn new(book: &Arc<Book>, kind: Kind) -> Self {
        book.waiting.fetch_add(1, Ordering::Relaxed);
        Self {
            book: Arc::clone(book),
            kind,
            settled: Arc::default(),
        }
    }

    /// Waits for this long, or until the ledger is to stop; whether to go on.
    pub async fn goes_on(&self, pause: Duration) -> bool {
        let mut stopping = self.book.stopping.subscribe();
        let stopped = stopping.wait_for(|stopping| *stopping);
        tokio::time::timeout(pause, stopped).await.is_err()
    }

    /// A request that is given away now.
    pub fn sent(&self) -> Entry {
        *self.book.written().sent.entry(self.kind).or_default() += 1;
        Entry {
            page: self.clone(),
            settled: false,
        }
    }

    pub fn failed(&self, what: What) {
        let (kind, when) = (self.kind, self.book.started.elapsed());
        let failure = Failure { kind, when, what };
        self.book.written().failures.push(failure);
    }

    pub fn reconnected(&self) {
        *self.book.written().reconnects.entry(self.kind).or_default() += 1;
    }

    pub fn websocket_closed(&self, code: u16) {
        self.book.written().websocket_close = Some(code);
    }
}

/// One request. It is settled as answered, failed or never sent; one that is forgotten is a failure.
#[must_use]
pub struct Entry {
    page: Page,
    settled: bool,
}

impl Entry {
    /// A message of a stream came, the right one.
    pub fn message(&self) {
        let Page {
            book,
            kind,
            settled,
        } = &self.page;
        *book.written().answered.entry(*kind).or_default() += 1;
        if !settled.swap(true, Ordering::Relaxed) {
            book.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A stream came to its end, as it should.
    pub fn done(mut self) {
        self.settled = true;
    }

    /// The answer is there: whole and right, or not.
    pub fn settle(mut self, answer: Result<(), What>) {
        self.settled = true;
        match answer {
            Ok(()) => self.message(),
            Err(what) => self.page.failed(what),
        }
    }

    /// Not a byte of it was written.
    pub fn unsent(mut self) {
        self.settled = true;
        let mut report = self.page.book.written();
        *report.sent.entry(self.page.kind).or_default() -= 1;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.settled {
            let forgotten = "nobody wrote down what became of it".to_owned();
            self.page.failed(What::Unanswered(forgotten));
        }
    }
}
