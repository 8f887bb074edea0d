//! How much memory have encoders taken, over all routes? Each holds a table and a window for as long as its answer is under
//! way, and a client that reads slowly makes that long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::IntGauge;

use super::Coding;
use super::encoder::window;

/// The memory that encoders have taken.
#[derive(Debug)]
pub struct Room {
    taken: AtomicU64,
    told: IntGauge,
}

impl Room {
    /// Nothing is taken; `told` follows.
    pub fn new(told: IntGauge) -> Self {
        Self {
            taken: AtomicU64::new(0),
            told,
        }
    }

    /// Takes so many bytes until what is returned is dropped; `None` if it would be more than `most` together.
    pub fn take(self: &Arc<Self>, bytes: u64, most: u64) -> Option<Taken> {
        let more = |taken: u64| taken.checked_add(bytes).filter(|all| *all <= most);
        let order = Ordering::Relaxed;
        self.taken.fetch_update(order, order, more).ok()?;
        self.told.add(signed(bytes));
        Some(Taken {
            room: Arc::clone(self),
            bytes,
        })
    }
}

/// Memory that an encoder has taken.
#[derive(Debug)]
pub struct Taken {
    room: Arc<Room>,
    bytes: u64,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
        self.room.told.sub(signed(self.bytes));
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// How many bytes an encoder of this level takes for a body of `length` bytes, if that is known: what was measured, rounded
/// up.
pub fn cost(coding: Coding, level: u8, length: Option<u64>) -> u64 {
    const KIB: u64 = 1024;
    let window = 1_u64 << window(coding, level, length);
    match coding {
        // zlib: deflateInit2.
        Coding::Gzip => 136 * KIB + 4 * window,
        Coding::Br => {
            let table = match level {
                0 | 1 => 32 * KIB,
                2 | 3 => 320 * KIB,
                4 => 576 * KIB,
                5 => 1_100 * KIB,
                _ => 2_150 * KIB,
            };
            table + 20 * window
        }
        Coding::Zstd => 64 * KIB + 11 * window,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_given_back_and_never_more_than_there_may_be() {
        let gauge = IntGauge::new("room", "Taken.").expect("a gauge");
        let room = Arc::new(Room::new(gauge.clone()));
        let first = room.take(60, 100).expect("room");
        assert!(room.take(41, 100).is_none());
        let second = room.take(40, 100).expect("room");
        assert!(room.take(1, 100).is_none());
        assert_eq!(gauge.get(), 100);
        drop(first);
        assert!(room.take(u64::MAX, u64::MAX).is_none());
        drop(room.take(60, 100).expect("room"));
        drop(second);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn a_short_body_costs_less_than_a_long_one() {
        for coding in Coding::ALL {
            for level in coding.levels() {
                let short = cost(coding, level, Some(2_000));
                let long = cost(coding, level, None);
                assert!(short <= long && long < 6 << 20, "{coding:?} {level}");
                assert_eq!(long, cost(coding, level, Some(1 << 30)));
            }
        }
    }
}
