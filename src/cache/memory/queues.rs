//! What is evicted, and when?
//!
//! S3-FIFO (Yang and others, SOSP 2023): what is new stands in a small queue, of a twentieth of the bytes. At its end is
//! evicted what nobody asked for meanwhile, and that is most of what is ever stored: one reader's way through many
//! objects passes through here and leaves the rest alone. What was asked for moves to the main queue, where each time
//! it comes to the end it is let off once for every time it was asked for, up to three. What was evicted from the small
//! queue and comes back soon was evicted too early, and goes to the main queue at once, unless it is large: in the room
//! of one such object many would be asked for that are not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};

use super::ghosts::Ghosts;
use crate::cache::object::Stored;

/// The part of the bytes that is for what is new: one in so many.
const SMALL: u64 = 20;

/// How often an entry may have been asked for to count.
const MOST_ASKED: u8 = 3;

/// How many times the average an entry may weigh to go to the main queue when it comes back.
const LARGE: u64 = 4;

/// How many entries are let off, at most, before one is evicted that should be too, so that storing an object takes
/// bounded time.
const LET_OFF: usize = 64;

/// What may be larger than an eighth of all, in bytes: the part of an object that is not its body.
const BESIDE_BODY: u64 = 64 << 10;

/// An entry.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) key: u128,
    pub(super) stored: Stored,
    weight: u64,
    asked: AtomicU8,
    /// Changes under the lock of the queues alone.
    place: AtomicU8,
}

const IN_SMALL: u8 = 0;
const IN_MAIN: u8 = 1;
const GONE: u8 = 2;

impl Node {
    fn new(key: u128, stored: Stored, weight: u64, asked: u8, place: u8) -> Arc<Self> {
        Arc::new(Self {
            key,
            stored,
            weight,
            asked: AtomicU8::new(asked),
            place: AtomicU8::new(place),
        })
    }

    /// It was asked for. Two at the same time may count as one.
    pub(super) fn asked(&self) {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked < MOST_ASKED {
            self.asked.store(asked + 1, Ordering::Relaxed);
        }
    }

    fn place(&self) -> u8 {
        self.place.load(Ordering::Relaxed)
    }
}

/// Some of the entries, in the order they came, among others that are gone: of those nothing is held but the room.
#[derive(Debug, Default)]
struct Queue {
    nodes: VecDeque<Weak<Node>>,
    live: usize,
    bytes: u64,
}

impl Queue {
    fn push(&mut self, node: &Arc<Node>) {
        self.live += 1;
        self.bytes += node.weight;
        self.nodes.push_back(Arc::downgrade(node));
    }

    fn pop(&mut self) -> Option<Arc<Node>> {
        loop {
            if let Some(node) = live(&self.nodes.pop_front()?) {
                self.left(&node);
                return Some(node);
            }
        }
    }

    fn left(&mut self, node: &Node) {
        self.live -= 1;
        self.bytes -= node.weight;
    }

    /// Those that are gone must not grow without end where nothing is ever evicted.
    fn tidy(&mut self) {
        if self.nodes.len() > 2 * self.live + 64 {
            self.nodes.retain(|node| live(node).is_some());
            self.nodes.shrink_to(2 * self.live);
        }
    }
}

fn live(node: &Weak<Node>) -> Option<Arc<Node>> {
    node.upgrade().filter(|node| node.place() != GONE)
}

/// All entries in the order in which they are evicted.
#[derive(Debug)]
pub(super) struct Queues {
    limit: u64,
    small: Queue,
    main: Queue,
    ghosts: Ghosts,
}

impl Queues {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            small: Queue::default(),
            main: Queue::default(),
            ghosts: Ghosts::default(),
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn used(&self) -> u64 {
        self.small.bytes + self.main.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.small.live + self.main.live
    }

    /// The heaviest entry that is taken: an object with a body of an eighth of all, and never so much that it drives out
    /// more than a quarter.
    pub(super) fn largest(&self) -> u64 {
        (self.limit / 8 + BESIDE_BODY).min(self.limit / 4)
    }

    pub(super) fn resize(&mut self, limit: u64) {
        self.limit = limit;
        self.ghosts.clear();
    }

    /// A new entry, to be [pushed](Self::push) when there is room.
    pub(super) fn place(&self, key: u128, stored: Stored, weight: u64) -> Arc<Node> {
        let average = self.used() / (self.len() as u64).max(1);
        let comes_back = self.ghosts.have(key) && weight <= average.saturating_mul(LARGE);
        let place = if comes_back { IN_MAIN } else { IN_SMALL };
        Node::new(key, stored, weight, 0, place)
    }

    /// An entry that takes the place of this one, which counts no longer.
    pub(super) fn replace(&mut self, former: &Node, stored: Stored, weight: u64) -> Arc<Node> {
        let (asked, place) = (former.asked.load(Ordering::Relaxed), former.place());
        self.take(former);
        Node::new(former.key, stored, weight, asked, place)
    }

    pub(super) fn push(&mut self, node: &Arc<Node>) {
        match node.place() {
            IN_MAIN => self.main.push(node),
            _ => self.small.push(node),
        }
    }

    /// This entry counts no longer.
    pub(super) fn take(&mut self, node: &Node) {
        let queue = match node.place() {
            IN_SMALL => &mut self.small,
            IN_MAIN => &mut self.main,
            _ => return,
        };
        node.place.store(GONE, Ordering::Relaxed);
        queue.left(node);
        queue.tidy();
    }

    /// How many places the queues take, those of entries that are gone included.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.small.nodes.len() + self.main.nodes.len()
    }

    /// An entry that has to go so that there is room for so many bytes more; `None` once there is.
    pub(super) fn evict(&mut self, weight: u64) -> Option<Arc<Node>> {
        if self.used().saturating_add(weight) <= self.limit {
            return None;
        }
        let mut let_off = 0;
        loop {
            if self.small.bytes > self.limit / SMALL || self.main.live == 0 {
                let node = self.small.pop()?;
                if node.asked.load(Ordering::Relaxed) == 0 {
                    node.place.store(GONE, Ordering::Relaxed);
                    self.ghosts.add(node.key, self.len());
                    return Some(node);
                }
                node.asked.store(0, Ordering::Relaxed);
                node.place.store(IN_MAIN, Ordering::Relaxed);
                self.main.push(&node);
            } else {
                let node = self.main.pop()?;
                let asked = node.asked.load(Ordering::Relaxed);
                if asked == 0 || let_off == LET_OFF {
                    node.place.store(GONE, Ordering::Relaxed);
                    return Some(node);
                }
                let_off += 1;
                node.asked.store(asked - 1, Ordering::Relaxed);
                self.main.push(&node);
            }
        }
    }
}
