//! May a request come in when the process has nearly as much to do, or to hold, as it may?
//!
//! What is worth least goes first: each priority has its share of a limit, and what would go beyond that share is shed.
//! The more that is kept free for the rest, the longer the rest notices nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use crate::pool::Priority;

/// Up to which share of a limit requests of a priority come in, in percent.
const fn share(priority: Priority) -> u64 {
    match priority {
        Priority::Low => 80,
        Priority::Normal => 90,
        Priority::High => 100,
    }
}

/// The requests that are under way. On a cache line of its own: every worker changes it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct InFlight(AtomicUsize);

impl InFlight {
    /// One more, unless there are `most` already.
    pub fn enter(self: &Arc<Self>, most: usize) -> Option<Entered> {
        let more = |now: usize| (now < most).then_some(now + 1);
        let entered = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        entered.ok().map(|_| Entered(Arc::clone(self)))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One request under way, until it is dropped.
#[derive(Debug)]
pub struct Entered(Arc<InFlight>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A limit on requests under way, with the part of it that each priority may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimit {
    /// The whole limit.
    pub most: usize,
    parts: [usize; Priority::ALL.len()],
}

impl RequestLimit {
    /// The parts of `most` requests. Rounded up: of a small limit, too, each priority has some.
    pub fn new(most: u32) -> Self {
        let part = |priority| (u64::from(most) * share(priority)).div_ceil(100);
        Self {
            most: most as usize,
            parts: Priority::ALL.map(|priority| part(priority) as usize),
        }
    }

    /// How many requests there may be when one of this priority has come in.
    pub const fn of(&self, priority: Priority) -> usize {
        self.parts[priority as usize]
    }
}

/// From which use of a limit on how much is shed: 0 for nothing, 1 for what is low, 2 for what is normal as well, 3 for
/// all.
pub fn level(used: u64, limit: u64) -> u8 {
    let reached = |priority: &Priority| {
        u128::from(used) * 100 >= u128::from(limit) * u128::from(share(*priority))
    };
    Priority::ALL.iter().filter(|one| reached(one)).count() as u8
}

/// How much of what was in use must be free again before less is shed, in percent of the limit: else a use that goes up and
/// down by little would change the level all the time.
const SLACK: u64 = 3;

/// The level after one that was `before`: it rises at once, and falls when there is some room again.
pub fn next_level(before: u8, used: u64, limit: u64) -> u8 {
    let now = level(used, limit);
    let with_slack = level(used.saturating_add(limit / 100 * SLACK), limit);
    if now >= before {
        now
    } else {
        with_slack.min(before)
    }
}

/// How scarce memory is, as it was last measured.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Pressure(AtomicU8);

impl Pressure {
    /// The [level].
    pub fn level(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes note of a new one.
    pub fn set(&self, level: u8) {
        self.0.store(level, Ordering::Relaxed);
    }

    /// Whether requests of this priority are shed.
    pub fn sheds(&self, priority: Priority) -> bool {
        self.level() > priority as u8
    }
}

/// What there may be too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Room for requests.
    Requests,
    /// Memory.
    Memory,
}

impl Resource {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Requests, Self::Memory];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Memory => "memory",
        }
    }
}

/// How much the process has to do, and to hold: what outlives a reload.
#[derive(Debug, Default)]
pub struct Load {
    /// Its requests, as far as they are counted: those that came while there was a limit.
    pub requests: Arc<InFlight>,
    /// How scarce memory is.
    pub memory: Pressure,
}

/// How much it may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests under way.
    pub requests: Option<RequestLimit>,
    /// Resident memory, in bytes.
    pub memory: Option<u64>,
}

impl Limits {
    /// Lets a request of this priority in, and counts it if there is a limit.
    ///
    /// # Errors
    ///
    /// What there is too little of.
    pub fn admit(&self, load: &Load, priority: Priority) -> Result<Option<Entered>, Resource> {
        if self.memory.is_some() && load.memory.sheds(priority) {
            return Err(Resource::Memory);
        }
        let Some(limit) = &self.requests else {
            return Ok(None);
        };
        let entered = load.requests.enter(limit.of(priority));
        entered.map(Some).ok_or(Resource::Requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_priority_has_its_share_of_the_limit_rounded_up() {
        for (most, parts) in [
            (1000, [800, 900, 1000]),
            (10, [8, 9, 10]),
            (3, [3, 3, 3]),
            (1, [1, 1, 1]),
            (u32::MAX, [3_435_973_836, 3_865_470_566, 4_294_967_295]),
        ] {
            let limit = RequestLimit::new(most);
            assert_eq!(Priority::ALL.map(|one| limit.of(one)), parts, "{most}");
        }
    }

    #[test]
    fn no_more_than_the_limit_are_in_and_one_that_leaves_makes_room_for_one() {
        let requests = Arc::new(InFlight::default());
        let entered: Vec<_> = (0..3).map_while(|_| requests.enter(2)).collect();
        assert_eq!((entered.len(), requests.count()), (2, 2));
        let more = requests.enter(3);
        assert!(more.is_some(), "a higher priority has more room");
        drop(entered);
        assert_eq!(requests.count(), 1);
        drop(more);
        assert_eq!(requests.count(), 0);
    }

    #[test]
    fn threads_that_come_and_go_never_go_beyond_the_limit_nor_lose_one() {
        let requests = Arc::new(InFlight::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let entered = requests.enter(3);
                        let is = requests.count();
                        assert!(is <= 3, "{is}");
                        drop(entered);
                    }
                });
            }
        });
        assert_eq!(requests.count(), 0);
    }

    #[test]
    fn the_level_says_what_is_shed() {
        for (used, is) in [(0, 0), (799, 0), (800, 1), (900, 2), (999, 2), (1000, 3)] {
            assert_eq!(level(used, 1000), is, "{used}");
        }
        assert_eq!(level(u64::MAX, u64::MAX), 3, "nothing overflows");
        let pressure = Pressure::default();
        pressure.set(2);
        let sheds = Priority::ALL.map(|priority| pressure.sheds(priority));
        assert_eq!(sheds, [true, true, false]);
    }

    #[test]
    fn the_level_rises_at_once_and_falls_when_there_is_some_room() {
        let mut now = 0;
        for (used, then) in [
            (799, 0),
            (800, 1),
            (790, 1),
            (771, 1),
            (769, 0),
            (1000, 3),
            (980, 3),
            (960, 2),
            (100, 0),
        ] {
            now = next_level(now, used, 1000);
            assert_eq!(now, then, "{used}");
        }
    }

    #[test]
    fn what_has_no_limit_lets_everyone_in_and_counts_nobody() {
        let load = Load::default();
        load.memory.set(3);
        let none = Limits::default();
        assert!(matches!(none.admit(&load, Priority::Low), Ok(None)));
        let memory = Limits {
            memory: Some(1),
            ..none
        };
        let shed = memory.admit(&load, Priority::High).map(|_| ());
        assert_eq!(shed, Err(Resource::Memory));
        let requests = Limits {
            requests: Some(RequestLimit::new(10)),
            ..none
        };
        let entered: Vec<_> = (0..9)
            .map(|_| requests.admit(&load, Priority::Normal))
            .collect();
        assert!(entered.iter().all(Result::is_ok));
        let shed = requests.admit(&load, Priority::Normal).map(|_| ());
        assert_eq!(shed, Err(Resource::Requests));
        assert!(requests.admit(&load, Priority::High).is_ok());
    }
}
