//! Where does a body go while it comes?

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::flight::{Answer, Flight, Kept};
use super::plan::Plan;
use crate::cache::alive::Room;
use crate::cache::disk::Writing;
use crate::cache::report::Tier;
use crate::cache::{Body, Chunks, Object, Stored};

/// Up to here a body is stored in one piece.
const ONE_PIECE: usize = 64 * 1024;

/// From here on a body whose length is not known goes to disk.
const TO_DISK: u64 = 256 * 1024;

/// Keeps a body while it comes.
pub struct Keeper {
    /// What it counts as until the last reader has it, stored or not.
    room: Room,
    /// How much came.
    bytes: u64,
    /// Where it goes if it is too large for memory.
    writing: Option<Writing>,
}

impl Keeper {
    /// One for a body of this length; `None` if there is no room.
    pub fn new(plan: &Plan, length: Option<u64>) -> Option<Self> {
        let in_memory = length.filter(|length| *length <= plan.cache.memory.largest());
        if length.is_some() && in_memory.is_none() && plan.cache.disk().is_none() {
            return None;
        }
        let room = plan.cache.room(in_memory.unwrap_or(0))?;
        Some(Self {
            room,
            bytes: 0,
            writing: None,
        })
    }

    /// Takes note of a piece; whether it is still to be stored.
    pub async fn take(
        &mut self,
        plan: &Plan,
        flight: &Arc<Flight>,
        answer: &Answer,
        piece: &Bytes,
    ) -> bool {
        let Ok(kept) = &answer.kept else { return false };
        self.bytes += piece.len() as u64;
        let too_large = self.bytes > plan.rule.max_object;
        if let Some(writing) = &mut self.writing {
            if too_large {
                // Those who read it still do so there.
                writing.lose();
            }
            let goes_on = writing.write(piece.clone()).await;
            if !writing.is_written() {
                plan.flights.leave(flight);
                flight.lose_file();
            }
            return goes_on;
        }
        if too_large {
            return false;
        }
        let largest = plan.cache.memory.largest();
        let to_disk = match answer.length {
            Some(length) => length > largest,
            None => self.bytes > TO_DISK.min(largest),
        };
        if to_disk && let Some(disk) = plan.cache.disk() {
            let head = plan.head(answer, kept, answer.length);
            let Some(mut writing) = disk.begin(kept.hash, &head, &kept.key, answer.length) else {
                return false;
            };
            for before in flight.pieces().into_iter().chain([piece.clone()]) {
                writing.write(before).await;
                if !writing.is_written() {
                    return false;
                }
            }
            flight.to_file(&writing.follow());
            self.writing = Some(writing);
            return true;
        }
        if self.bytes > largest {
            return false;
        }
        // What has a length was counted at the beginning.
        let length = piece.len() as u64;
        answer.length.is_some() || self.room.grow(length, plan.cache.most_alive())
    }

    /// The piece, counted if it is held.
    pub fn counted(&mut self, piece: Bytes) -> Bytes {
        match self.writing {
            Some(_) => piece,
            None => self.room.counted(piece),
        }
    }

    /// Stores what came, for it is whole.
    pub async fn store(mut self, plan: &Plan, flight: &Flight, answer: &Answer, kept: &Kept) {
        if flight.is_doomed() {
            return;
        }
        let head = plan.head(answer, kept, Some(self.bytes));
        let stored = match self.writing {
            Some(writing) => match writing.finish().await {
                Some(body) => Object {
                    key: kept.key.clone(),
                    head,
                    body: Body::Disk(body),
                },
                None => return,
            },
            None => Object {
                key: kept.key.clone(),
                head,
                body: Body::Memory(Chunks::new(in_one(
                    flight.pieces(),
                    self.bytes,
                    &mut self.room,
                ))),
            },
        };
        let in_memory = matches!(stored.body, Body::Memory(_));
        let stored = Stored::Object(Arc::new(stored));
        plan.cache.memory.put(kept.hash, stored.clone());
        // The disk counts its own, when they are there.
        if in_memory {
            plan.metrics.stored(Tier::Memory);
            if let Some(disk) = plan.cache.disk() {
                disk.put(kept.hash, stored);
            }
        }
        plan.forget_if_doomed(flight, kept.hash);
    }
}

/// A small body in one piece, which then is sent with the header at once.
fn in_one(pieces: Vec<Bytes>, length: u64, room: &mut Room) -> Vec<Bytes> {
    let small = usize::try_from(length).is_ok_and(|length| length <= ONE_PIECE);
    if !small || length == 0 {
        return pieces;
    }
    let mut one = BytesMut::with_capacity(length as usize);
    pieces.iter().for_each(|piece| one.extend_from_slice(piece));
    vec![room.counted(one.freeze())]
}
