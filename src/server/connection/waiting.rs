//! How long does a connection wait for its client, and how fast must that be?
//!
//! Nothing here costs a client anything that keeps up: a clock is made when a client is first waited for, and runs on from
//! wait to wait. What the client moved until then counts all the same: who was fast at first may pause.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::pace::Pace;
use crate::snapshot::Listener;

/// How often a client is looked at that takes no bytes, at most.
const LOOK: Duration = Duration::from_secs(1);

/// How long a client may take, and how fast it must be; see [`crate::config::listener`].
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long it may take no byte of an answer.
    pub write: Duration,
    /// How many bytes of an answer it must take a second; 0 for any.
    pub send_rate: u64,
    /// How long it may send no byte of a body.
    pub body: Duration,
    /// How many bytes of a body it must send a second; 0 for any.
    pub body_rate: u64,
}

impl Patience {
    /// What a listener says.
    pub const fn of(listener: &Listener) -> Self {
        Self {
            write: listener.timeouts.write,
            send_rate: listener.min_send_rate,
            body: listener.timeouts.body,
            body_rate: listener.min_body_rate,
        }
    }

    /// The pace at which a body must come. Who sends nothing at all meets the other limit first.
    pub fn body_pace(&self) -> Option<Pace> {
        Pace::new(self.body_rate, self.body.saturating_add(self.body / 4))
    }
}

/// Why a connection waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooSlow {
    /// The client does not take its answer, or takes it too slowly.
    #[error("the client takes its answer too slowly")]
    Answer,
    /// The client sends its body too slowly.
    #[error("the client sends its body too slowly")]
    Body,
}

/// The clock of a body that a client sends.
#[derive(Debug)]
pub struct Receiving {
    pub(super) pace: Pace,
    timer: Pin<Box<Sleep>>,
}

impl Receiving {
    /// A clock, unless any rate will do, of a body of which so many bytes have come.
    pub fn new(patience: &Patience, received: u64) -> Option<Box<Self>> {
        let now = Instant::now();
        let mut pace = patience.body_pace()?;
        pace.moved(received, now);
        let until = pace.wait(now);
        Some(Box::new(Self {
            pace,
            timer: Box::pin(tokio::time::sleep_until(until.into())),
        }))
    }

    /// The client is waited for; ready when it has been too slow.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.pace.wait(Instant::now());
        loop {
            // It may stand at an earlier moment: that moves only when it has come.
            ready!(self.timer.as_mut().poll(cx));
            if self.pace.is_over(Instant::now()) {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(until.into());
        }
    }
}

/// The clock of answers that a client takes.
///
/// That the kernel takes no more bytes does not say that the client takes none: its buffers hold megabytes, and it wants a
/// good part of them free before it takes more. So now and then it is asked how much has arrived.
#[derive(Debug)]
pub struct Sending {
    pace: Option<Pace>,
    /// How long nothing may arrive.
    write: Duration,
    /// When something last arrived, or was first waited for.
    since: Option<Instant>,
    /// How much had arrived at the last look, or before what this is the clock of.
    seen: u64,
    /// Whether there was a look.
    looked: bool,
    timer: Pin<Box<Sleep>>,
}

impl Sending {
    /// A clock of what is written after the first `before` bytes.
    pub fn new(patience: &Patience, before: u64) -> Box<Self> {
        Box::new(Self {
            pace: Pace::new(patience.send_rate, patience.write),
            write: patience.write,
            since: None,
            seen: before,
            looked: false,
            timer: Box::pin(tokio::time::sleep(look(patience.write))),
        })
    }

    /// The client is waited for; ready when it has been too slow. `arrived` says how many bytes it has got, and only a client
    /// that is not `spared` must be as fast as the rate asks for.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        spared: bool,
        arrived: impl Fn() -> u64,
    ) -> Poll<()> {
        let now = Instant::now();
        self.since.get_or_insert(now);
        match &mut self.pace {
            Some(pace) if spared => pace.rest(now),
            Some(pace) => drop(pace.wait(now)),
            None => {}
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            match self.look(arrived(), now) {
                Some(next) => self.timer.as_mut().reset(next.into()),
                None => return Poll::Ready(()),
            }
        }
    }

    /// When to look again; `None` if it has been too slow.
    fn look(&mut self, arrived: u64, now: Instant) -> Option<Instant> {
        let more = arrived.saturating_sub(self.seen);
        self.seen = arrived;
        // What arrived before the first look may have done so before the client was waited for: it makes up for a pause,
        // and does not show that there is none.
        if std::mem::replace(&mut self.looked, true) && more > 0 {
            self.since = Some(now);
        }
        let mut next = self.since.unwrap_or(now) + self.write;
        if let Some(pace) = &mut self.pace {
            let waited_for = pace.is_waited_for();
            pace.moved(more, now);
            if waited_for {
                next = next.min(pace.wait(now));
            }
        }
        (next > now).then(|| next.min(now + look(self.write)))
    }

    /// It has taken some; it is not waited for now.
    pub fn rest(&mut self) {
        self.since = None;
        if let Some(pace) = &mut self.pace
            && pace.is_waited_for()
        {
            pace.rest(Instant::now());
        }
    }
}

fn look(write: Duration) -> Duration {
    LOOK.min(write / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What was written for earlier requests.
    const BEFORE: u64 = 1 << 20;

    fn sending(rate: u64) -> Box<Sending> {
        let patience = Patience {
            write: SECOND * 8,
            send_rate: rate,
            body: SECOND,
            body_rate: 0,
        };
        let mut sending = Sending::new(&patience, BEFORE);
        let poll = sending.poll(
            &mut Context::from_waker(std::task::Waker::noop()),
            false,
            || panic!("the timer has only begun"),
        );
        assert!(poll.is_pending());
        sending
    }

    /// How many seconds a client is waited for that has taken so many bytes `at_first`, and takes so many each second.
    fn lasts(rate: u64, at_first: u64, takes: u64) -> u32 {
        let mut sending = sending(rate);
        let start = sending.since.expect("waited for");
        let ends = |second: &u32| {
            let arrived = BEFORE + at_first + u64::from(*second) * takes;
            sending.look(arrived, start + SECOND * *second).is_none()
        };
        (1..100).find(ends).unwrap_or(100)
    }

    #[tokio::test]
    async fn who_takes_nothing_is_waited_for_as_long_as_it_may_take_nothing() {
        assert_eq!(lasts(0, 0, 0), 8);
        assert_eq!(lasts(0, 1 << 30, 0), 8, "however much it took before");
        assert_eq!(lasts(0, 0, 1), 100, "any rate will do");
    }

    #[tokio::test]
    async fn who_takes_too_little_has_the_grace_and_what_it_earns() {
        assert_eq!(lasts(240, 0, 0), 5);
        assert_eq!(lasts(240, 0, 120), 10);
        assert_eq!(lasts(240, 0, 240), 100);
    }

    #[tokio::test]
    async fn what_was_taken_before_the_client_was_waited_for_pays_for_a_pause() {
        assert_eq!(lasts(240, 240 * 2, 0), 7);
        assert_eq!(lasts(240, 1 << 30, 0), 8, "as long as it may take nothing");
        assert_eq!(lasts(240, 240 * 2, 120), 14);
    }

    #[tokio::test]
    async fn what_came_of_a_body_before_it_was_waited_for_pays_for_a_pause() {
        let patience = Patience {
            write: SECOND,
            send_rate: 0,
            body: SECOND * 8,
            body_rate: 240,
        };
        let left = |received| {
            let before = Instant::now();
            let mut receiving = Receiving::new(&patience, received).expect("a rate");
            let left = receiving.pace.wait(before).duration_since(before);
            left.as_secs_f64().round()
        };
        assert_eq!((left(0), left(240 * 2)), (5.0, 7.0));
        assert_eq!(left(u64::MAX), 10.0, "up to the bound");
    }
}
