//! When does an HTTP/2 client ask for more work than its requests are worth?
//!
//! Some frames cost who sends them next to nothing, and us something each: a request that is taken back at once, a PING
//! that wants an answer, a setting that changes nothing (RFC 9113 §10.5). Honest clients send them too, so each kind has
//! a budget: a number at once, some more each second, and what our own frames give rise to. Whoever is answered may take
//! requests back and send PINGs, whoever gets a body may open its windows, and so a busy client never runs out, while one
//! that only sends such frames does after a known number of them.

use std::time::Instant;

use crate::telemetry::metrics::Flood;

// Frame types (RFC 9113 §6, RFC 9218 §7.1) and flags.
const DATA: u8 = 0x00;
const HEADERS: u8 = 0x01;
const PRIORITY: u8 = 0x02;
const RST_STREAM: u8 = 0x03;
const SETTINGS: u8 = 0x04;
const PING: u8 = 0x06;
const WINDOW_UPDATE: u8 = 0x08;
const CONTINUATION: u8 = 0x09;
const PRIORITY_UPDATE: u8 = 0x10;
const ACK: u8 = 0x01;
const END_STREAM: u8 = 0x01;
const END_HEADERS: u8 = 0x04;

/// PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR and REFUSED_STREAM (RFC 9113 §7): what a client is
/// told when a stream's end is its own doing. Answers that fail end otherwise.
const PROVOKED: [u32; 5] = [1, 3, 5, 6, 7];

/// How many bytes of a body a client lets pass at least before it opens a window again.
const BYTES_A_WINDOW: u64 = 2048;

/// How many frames of a kind come at once, and how many more each second.
struct Budget {
    at_once: u32,
    each_second: u32,
}

const fn budget(flood: Flood) -> Budget {
    let (at_once, each_second) = match flood {
        Flood::Reset | Flood::ProvokedReset => (100, 20),
        Flood::Ping => (100, 10),
        Flood::Settings => (50, 1),
        Flood::Priority => (200, 20),
        Flood::WindowUpdate => (1000, 100),
        Flood::EmptyData => (50, 5),
        // A header's budget is its own: it starts anew with each.
        Flood::Continuation | Flood::Other => (100, 10),
    };
    Budget {
        at_once,
        each_second,
    }
}

/// What passed in one direction since it was last asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    headers: u32,
    data: u32,
    bytes: u64,
    counts: [u32; Flood::ALL.len()],
    /// Frames of the header that is passing, after its first and before its last.
    continued: u32,
    /// The most of them that a header had.
    most_continued: u32,
}

impl Counts {
    /// Takes note of a frame; `code` is that of a RST_STREAM.
    pub fn note(&mut self, kind: u8, flags: u8, length: usize, code: u32) {
        let flood = match kind {
            DATA if length > 0 || flags & END_STREAM != 0 => {
                self.data += 1;
                self.bytes += length as u64;
                return;
            }
            HEADERS => {
                self.headers += 1;
                self.continued = 0;
                return;
            }
            CONTINUATION => {
                self.continued += u32::from(flags & END_HEADERS == 0);
                self.most_continued = self.most_continued.max(self.continued);
                return;
            }
            SETTINGS if flags & ACK != 0 => return,
            DATA => Flood::EmptyData,
            RST_STREAM if PROVOKED.contains(&code) => {
                self.counts[Flood::ProvokedReset as usize] += 1;
                Flood::Reset
            }
            RST_STREAM => Flood::Reset,
            PING => Flood::Ping,
            SETTINGS => Flood::Settings,
            PRIORITY | PRIORITY_UPDATE => Flood::Priority,
            WINDOW_UPDATE => Flood::WindowUpdate,
            _ => Flood::Other,
        };
        self.counts[flood as usize] += 1;
    }

    /// How many streams were reset.
    pub const fn resets(&self) -> u32 {
        self.counts[Flood::Reset as usize]
    }

    /// What has passed, to begin anew; a header that is passing goes on.
    pub fn take(&mut self) -> Self {
        let begun = Self {
            continued: self.continued,
            ..Self::default()
        };
        std::mem::replace(self, begun)
    }
}

/// What a connection has spent of its budgets.
#[derive(Debug)]
pub struct Floods {
    spent: [Spent; Flood::ALL.len()],
    streams: u32,
    continued: u32,
}

#[derive(Clone, Copy, Debug)]
struct Spent {
    frames: u32,
    /// Up to when what comes each second was counted.
    since: Instant,
}

impl Floods {
    /// Full budgets for a connection that may have this many streams open, and headers in this many frames beside their
    /// first and last.
    pub fn new(streams: u32, continued: u32, now: Instant) -> Self {
        let none = Spent {
            frames: 0,
            since: now,
        };
        Self {
            spent: [none; Flood::ALL.len()],
            streams,
            continued,
        }
    }

    /// What came from the client; the budget that is overdrawn, if one is. The clock is looked at only then.
    pub fn received(&mut self, passed: &Counts, now: impl Fn() -> Instant) -> Option<Flood> {
        if passed.most_continued > self.continued {
            return Some(Flood::Continuation);
        }
        self.earn(Flood::Priority, passed.headers.saturating_mul(2));
        self.earn(Flood::WindowUpdate, passed.headers);
        // What a client resets is its own doing, whatever the code it gives.
        let kinds = Flood::ALL.into_iter();
        let mut own = kinds.filter(|flood| *flood != Flood::ProvokedReset);
        own.find(|flood| self.is_overdrawn(*flood, passed.counts[*flood as usize], &now))
    }

    /// What went to the client, which earns it frames of its own; a budget that is overdrawn, if one is.
    pub fn sent(&mut self, passed: &Counts, now: impl Fn() -> Instant) -> Option<Flood> {
        self.earn(Flood::Reset, passed.headers);
        self.earn(Flood::Ping, passed.headers.saturating_add(passed.data));
        let pieces = u32::try_from(passed.bytes / BYTES_A_WINDOW).unwrap_or(u32::MAX);
        // For the stream, and for the connection.
        let windows = passed.data.saturating_mul(2).saturating_add(pieces);
        self.earn(Flood::WindowUpdate, windows);
        let provoked = passed.counts[Flood::ProvokedReset as usize];
        self.is_overdrawn(Flood::ProvokedReset, provoked, &now)
            .then_some(Flood::ProvokedReset)
    }

    fn earn(&mut self, flood: Flood, frames: u32) {
        let spent = &mut self.spent[flood as usize];
        spent.frames = spent.frames.saturating_sub(frames);
    }

    /// Whether these frames are more than there is left.
    fn is_overdrawn(&mut self, flood: Flood, frames: u32, now: &impl Fn() -> Instant) -> bool {
        if frames == 0 {
            return false;
        }
        let Budget {
            at_once,
            each_second,
        } = budget(flood);
        let (most, each_second) = match flood {
            // A client may take back everything it asks for at once, and in each second everything that has been open for
            // one: with deadlines of a second or more it can't take back faster, however slow the endpoints are.
            Flood::Reset => (
                at_once.saturating_add(self.streams),
                each_second.saturating_add(self.streams),
            ),
            Flood::ProvokedReset => (at_once.saturating_add(self.streams), each_second),
            _ => (at_once, each_second),
        };
        let spent = &mut self.spent[flood as usize];
        spent.frames = spent.frames.saturating_add(frames);
        if spent.frames > most {
            let now = now();
            let passed = now.saturating_duration_since(spent.since).as_millis();
            let back = passed * u128::from(each_second) / 1000;
            let back = u32::try_from(back).unwrap_or(u32::MAX);
            // What has come just now has not come back yet.
            spent.frames = spent.frames.saturating_sub(back).max(frames);
            spent.since = now;
        }
        spent.frames > most
    }
}

#[cfg(test)]
mod tests;
