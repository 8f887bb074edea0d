//! How many bytes of bodies are in memory, wherever they are read from by now?
//!
//! What is evicted is gone only when the last of its readers is, and a client that does not read on keeps what it was
//! being sent. So the bytes themselves say when they are freed: each piece carries its count with it, whoever has it and
//! however it was cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// Counts the bytes of bodies that are in memory. A clone is the same count.
#[derive(Clone, Debug, Default)]
pub struct Alive(Arc<AtomicU64>);

impl Alive {
    /// How many there are, and how many are expected.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Room for so many that are expected; `None` if there would be more than `most`.
    pub fn room(&self, bytes: u64, most: u64) -> Option<Room> {
        let mut room = Room {
            alive: self.clone(),
            left: 0,
        };
        room.grow(bytes, most).then_some(room)
    }

    fn give_back(&self, bytes: u64) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Room for bytes that are expected; what did not come is given back by drop.
#[derive(Debug)]
pub struct Room {
    alive: Alive,
    left: u64,
}

impl Room {
    /// Takes more; whether there is that much.
    pub fn grow(&mut self, bytes: u64, most: u64) -> bool {
        let alive = &self.alive.0;
        let taken = alive.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |alive| {
            let sum = alive.checked_add(bytes)?;
            // What goes to disk needs none.
            (bytes == 0 || sum <= most).then_some(sum)
        });
        if taken.is_ok() {
            self.left += bytes;
        }
        taken.is_ok()
    }

    /// The piece, which counts for as long as any part of it is held. What there was no room for counts too.
    pub fn counted(&mut self, piece: Bytes) -> Bytes {
        let length = piece.len() as u64;
        let beyond = length.saturating_sub(self.left);
        self.left -= length - beyond;
        self.alive.0.fetch_add(beyond, Ordering::Relaxed);
        Bytes::from_owner(Counted {
            piece,
            alive: self.alive.clone(),
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.alive.give_back(self.left);
    }
}

struct Counted {
    piece: Bytes,
    alive: Alive,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.give_back(self.piece.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_counts_until_the_last_part_of_it_is_dropped() {
        let alive = Alive::default();
        let mut room = alive.room(100, 1000).expect("room");
        let piece = room.counted(Bytes::from(vec![7; 60]));
        assert_eq!(alive.bytes(), 100);
        drop(room);
        assert_eq!(alive.bytes(), 60, "the rest did not come");
        let part = piece.slice(10..12);
        drop(piece);
        assert_eq!((alive.bytes(), &part[..]), (60, &[7, 7][..]));
        drop(part);
        assert_eq!(alive.bytes(), 0);
    }

    #[test]
    fn there_is_no_room_beyond_the_bound_until_readers_let_go() {
        let alive = Alive::default();
        let mut room = alive.room(600, 1000).expect("room");
        let read = room.counted(Bytes::from(vec![7; 600]));
        drop(room);
        assert!(alive.room(401, 1000).is_none() && alive.room(u64::MAX, 1000).is_none());
        let mut room = alive.room(400, 1000).expect("room");
        assert!(!room.grow(1, 1000));
        drop(read);
        assert!(room.grow(600, 1000));
        drop(room);
        assert_eq!(alive.bytes(), 0);
    }

    #[test]
    fn what_there_was_no_room_for_counts_too() {
        let alive = Alive::default();
        let mut room = alive.room(0, 0).expect("room for nothing");
        let piece = room.counted(Bytes::from(vec![7; 5]));
        drop(room);
        assert_eq!(alive.bytes(), 5);
        assert!(alive.room(0, 0).is_some() && alive.room(1, 5).is_none());
        drop(piece);
        assert_eq!(alive.bytes(), 0);
    }
}
