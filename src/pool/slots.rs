//! How many requests are served at once, and may there be one more?

use std::sync::atomic::{AtomicU32, Ordering};

/// The requests that something serves now, and how many it may serve at once. Never more are let in, however many
/// threads ask at the same time.
///
/// The limit stands beside the count, because it holds for the requests of all generations together: those that a former
/// one let in count as well, and those that wait since before a reload go by its new number.
#[derive(Debug, Default)]
pub struct Slots {
    taken: AtomicU32,
    /// 0 for no limit.
    most: AtomicU32,
}

impl Slots {
    /// None taken, of this many; `None` for no limit.
    pub fn new(most: Option<u32>) -> Self {
        let slots = Self::default();
        slots.set_most(most);
        slots
    }

    /// Changes the limit. A lower one takes nothing away: nobody is let in until so many have ended.
    pub fn set_most(&self, most: Option<u32>) {
        self.most.store(most.unwrap_or(0), Ordering::SeqCst);
    }

    /// How many are taken.
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    // Who finds no slot enters the queue and looks again; who gives one back does that and then looks into the queue. In
    // one order of all these steps at least one of the two sees the other: hence SeqCst.

    /// Whether no more may be taken.
    pub fn is_full(&self) -> bool {
        match self.most.load(Ordering::SeqCst) {
            0 => false,
            most => self.taken.load(Ordering::SeqCst) >= most,
        }
    }

    /// Takes one; false if there is none. Every `true` is followed by one [`give_back`](Self::give_back).
    #[must_use]
    pub fn take(&self) -> bool {
        self.take_within(u32::MAX)
    }

    /// Takes one, unless more than `bound` would be taken then; see [`take`](Self::take).
    #[must_use]
    pub fn take_within(&self, bound: u32) -> bool {
        let most = match self.most.load(Ordering::SeqCst) {
            0 => bound,
            most => most.min(bound),
        };
        if most == u32::MAX {
            self.taken.fetch_add(1, Ordering::SeqCst);
            return true;
        }
        let one_more = |taken| (taken < most).then_some(taken + 1);
        let (set, fetch) = (Ordering::SeqCst, Ordering::SeqCst);
        self.taken.fetch_update(set, fetch, one_more).is_ok()
    }

    /// Gives one back.
    pub fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_taken_than_there_are() {
        let slots = Slots::new(Some(2));
        assert!(slots.take() && slots.take());
        assert!(slots.is_full() && !slots.take());
        assert_eq!(slots.taken(), 2);
        slots.give_back();
        assert!(!slots.is_full() && slots.take());
    }

    #[test]
    fn a_lower_limit_lets_nobody_in_until_enough_have_ended() {
        let slots = Slots::default();
        assert!((0..5).all(|_| slots.take()));
        slots.set_most(Some(3));
        for _ in 0..3 {
            assert!(slots.is_full() && !slots.take());
            slots.give_back();
        }
        assert!(slots.take());
        slots.set_most(None);
        assert!(!slots.is_full() && slots.take());
    }

    #[test]
    fn many_threads_never_take_more_than_there_are() {
        let slots = Slots::new(Some(3));
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if slots.take() {
                            let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                            assert!(now <= 3, "{now} at once");
                            inside.fetch_sub(1, Ordering::SeqCst);
                            slots.give_back();
                        }
                    }
                });
            }
        });
        assert_eq!(slots.taken(), 0);
    }
}
