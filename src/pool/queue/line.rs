//! Who is next of those who wait? The line itself, without locks and without time.
//!
//! A place in the line gets a *turn* when a slot may be free for it. Whoever has a turn tries to get in, and takes its
//! place out of the line if that succeeds. A turn is a chance and no slot: it may come once too often, never once too
//! seldom. Two rules see to that: a turn that was not used goes on to the next, and a slot that comes free while everyone
//! has a turn is [noted](Line::called_in_vain), so that whoever tried too early tries again.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::task::Waker;

use crate::pool::Priority;

/// A place in the line: those of a higher priority come first, and among equals whoever came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    priority: Reverse<Priority>,
    number: u64,
}

/// Someone who waits.
#[derive(Debug, Default)]
struct Waiting {
    has_turn: bool,
    /// Whether it tried where others may have got in: it wants something else than what is free.
    picky: bool,
    waker: Option<Waker>,
}

/// What someone who waits is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// To try to get in.
    Turn,
    /// To wait on. The `first` looks by itself from time to time.
    Wait {
        /// Whether nobody is before it.
        first: bool,
    },
    /// To leave: a request of a higher priority has its place.
    Displaced,
}

/// Those who wait.
#[derive(Debug, Default)]
pub struct Line {
    waiting: BTreeMap<Place, Waiting>,
    next_number: u64,
    /// Whether a slot came free while everyone in line had a turn already.
    called_in_vain: bool,
}

impl Line {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Gives a place to one more, unless `most` wait already and none of them is worth less: then the last of the least
    /// worth loses its place, and is to be woken. The new one has a turn at once, unless somebody before it waits for the
    /// same: a slot may have come free just before.
    pub fn enter(&mut self, priority: Priority, most: usize) -> Option<(Place, Option<Waker>)> {
        let mut displaced = None;
        if self.waiting.len() >= most {
            let least = self.waiting.iter().rev();
            let mut worth_less = least.take_while(|(place, _)| place.priority.0 < priority);
            // Whoever has a turn may be in already.
            let (place, _) = worth_less.find(|(_, waiting)| !waiting.has_turn)?;
            let place = *place;
            displaced = self.waiting.remove(&place)?.waker;
        }
        let place = Place {
            priority: Reverse(priority),
            number: self.next_number,
        };
        self.next_number += 1;
        let mut before = self.waiting.range(..place);
        let waiting = Waiting {
            has_turn: before.all(|(_, one)| one.picky && !one.has_turn),
            ..Waiting::default()
        };
        self.waiting.insert(place, waiting);
        Some((place, displaced))
    }

    /// A slot came free: gives a turn to the first who has none, who is to be woken.
    pub fn call(&mut self) -> Option<Waker> {
        let Some(first) = self.waiting.values_mut().find(|one| !one.has_turn) else {
            self.called_in_vain = !self.waiting.is_empty();
            return None;
        };
        first.has_turn = true;
        first.waker.take()
    }

    /// What the one in this place is to do; if it is to wait, it is woken for the next thing to do.
    pub fn look(&mut self, place: Place, waker: &Waker) -> Seen {
        let first = self.is_first(place);
        let Some(waiting) = self.waiting.get_mut(&place) else {
            return Seen::Displaced;
        };
        if waiting.has_turn {
            return Seen::Turn;
        }
        match &mut waiting.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Seen::Wait { first }
    }

    /// Gives a turn to this place without a slot having come free, if it is the first.
    pub fn look_again(&mut self, place: Place) {
        if let (true, Some(waiting)) = (self.is_first(place), self.waiting.get_mut(&place)) {
            waiting.has_turn = true;
        }
    }

    /// Takes the turn of one that did not get in, unless a slot came free meanwhile. Where others `may` get in where it
    /// could not, the turn goes to the next behind it, who is to be woken.
    pub fn failed(&mut self, place: Place, others_may: bool) -> Option<Waker> {
        if std::mem::take(&mut self.called_in_vain) {
            return None;
        }
        if let Some(waiting) = self.waiting.get_mut(&place) {
            waiting.has_turn = false;
            waiting.picky = others_may;
        }
        let mut behind = self.waiting.range_mut((Excluded(place), Unbounded));
        let (_, next) = behind.find(|(_, one)| others_may && !one.has_turn)?;
        next.has_turn = true;
        next.waker.take()
    }

    /// Takes a place out of the line. An `unused` turn goes to the next; the new first looks by itself from now on. Both
    /// are to be woken.
    pub fn leave(&mut self, place: Place, unused: bool) -> [Option<Waker>; 2] {
        let was_first = self.is_first(place);
        let Some(gone) = self.waiting.remove(&place) else {
            return [None, None];
        };
        let next = if gone.has_turn && unused {
            self.call()
        } else {
            None
        };
        if self.waiting.is_empty() {
            self.called_in_vain = false;
        }
        let mut first = self.waiting.values_mut().next();
        let first = first
            .as_mut()
            .filter(|one| was_first && !one.has_turn)
            .and_then(|one| one.waker.take());
        [next, first]
    }

    fn is_first(&self, place: Place) -> bool {
        self.waiting
            .first_key_value()
            .is_some_and(|(first, _)| *first == place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{High, Low, Normal};

    fn enter(line: &mut Line, priority: Priority) -> Place {
        line.enter(priority, 100).expect("there is room").0
    }

    fn seen(line: &mut Line, place: Place) -> Seen {
        line.look(place, Waker::noop())
    }

    /// A line in which everyone waits who could try at once.
    fn waiting(priorities: &[Priority]) -> (Line, Vec<Place>) {
        let mut line = Line::default();
        let places = priorities.iter().map(|priority| {
            let place = enter(&mut line, *priority);
            line.failed(place, false);
            place
        });
        let places = places.collect();
        (line, places)
    }

    /// The place that gets the next turn.
    fn called(line: &mut Line, places: &[Place]) -> Option<usize> {
        let has_turn = |line: &mut Line| -> Vec<bool> {
            let turn = |place: &Place| seen(line, *place) == Seen::Turn;
            places.iter().map(turn).collect()
        };
        let before = has_turn(line);
        line.call();
        let now = has_turn(line);
        (0..places.len()).find(|index| now[*index] && !before[*index])
    }

    #[test]
    fn whoever_has_nobody_before_it_tries_at_once_and_others_wait() {
        let mut line = Line::default();
        let first = enter(&mut line, Normal);
        let (second, better) = (enter(&mut line, Normal), enter(&mut line, High));
        assert_eq!(seen(&mut line, first), Seen::Turn);
        assert_eq!(seen(&mut line, second), Seen::Wait { first: false });
        assert_eq!(seen(&mut line, better), Seen::Turn);
    }

    #[test]
    fn whoever_wants_something_else_keeps_nobody_back() {
        let (mut line, places) = waiting(&[Normal]);
        line.call();
        line.failed(places[0], true);
        let next = enter(&mut line, Normal);
        assert_eq!(seen(&mut line, next), Seen::Turn);
        let another = enter(&mut line, Normal);
        assert_eq!(seen(&mut line, another), Seen::Wait { first: false });
        line.failed(next, false);
        line.call();
        assert_eq!(seen(&mut line, places[0]), Seen::Turn, "what it wants");
    }

    #[test]
    fn turns_come_in_the_order_of_priority_and_then_of_coming() {
        let (mut line, places) = waiting(&[Normal, Low, High, Normal, High, Low]);
        for expected in [2, 4, 0, 3, 1, 5] {
            assert_eq!(called(&mut line, &places), Some(expected));
        }
        assert_eq!(called(&mut line, &places), None);
    }

    #[test]
    fn a_slot_that_comes_free_while_everyone_tries_is_not_forgotten() {
        let (mut line, places) = waiting(&[Normal]);
        line.call();
        // It has tried, and is about to wait; meanwhile a slot comes free.
        line.call();
        line.failed(places[0], false);
        assert_eq!(seen(&mut line, places[0]), Seen::Turn, "it tries again");
        line.failed(places[0], false);
        assert_eq!(seen(&mut line, places[0]), Seen::Wait { first: true });
    }

    #[test]
    fn a_turn_that_was_not_used_goes_on() {
        let (mut line, places) = waiting(&[Normal, Normal, Normal]);
        line.call();
        line.leave(places[0], true);
        assert_eq!(seen(&mut line, places[1]), Seen::Turn);
        line.leave(places[1], false);
        assert_eq!(seen(&mut line, places[2]), Seen::Wait { first: true });
    }

    #[test]
    fn the_next_tries_where_the_first_could_not() {
        let (mut line, places) = waiting(&[Normal, Normal, Normal]);
        line.call();
        line.failed(places[0], true);
        assert_eq!(seen(&mut line, places[0]), Seen::Wait { first: true });
        assert_eq!(seen(&mut line, places[1]), Seen::Turn);
        assert_eq!(seen(&mut line, places[2]), Seen::Wait { first: false });
        line.failed(places[1], false);
        assert_eq!(seen(&mut line, places[2]), Seen::Wait { first: false });
    }

    #[test]
    fn only_the_first_looks_by_itself() {
        let (mut line, places) = waiting(&[Normal, Normal]);
        line.look_again(places[1]);
        assert_eq!(seen(&mut line, places[1]), Seen::Wait { first: false });
        line.look_again(places[0]);
        assert_eq!(seen(&mut line, places[0]), Seen::Turn);
        assert_eq!(seen(&mut line, places[1]), Seen::Wait { first: false });
    }

    #[test]
    fn a_full_line_takes_nobody_who_is_worth_no_more_than_the_least() {
        let (mut line, _) = waiting(&[Normal, Normal]);
        assert_eq!(line.enter(Normal, 2).map(|(place, _)| place), None);
        assert_eq!(line.enter(Low, 2).map(|(place, _)| place), None);
        assert_eq!(line.len(), 2);
    }

    #[test]
    fn in_a_full_line_the_newest_of_the_least_worth_gives_its_place_away() {
        let (mut line, places) = waiting(&[Normal, Low, Low, High]);
        let (new, _) = line.enter(Normal, 4).expect("a place");
        assert_eq!(seen(&mut line, places[2]), Seen::Displaced);
        line.leave(places[2], true);
        assert_eq!(line.len(), 4);
        line.enter(Normal, 4).expect("the other place");
        assert_eq!(seen(&mut line, places[1]), Seen::Displaced);
        assert!(line.enter(Normal, 4).is_none());
        line.enter(High, 4).expect("that of a normal one");
        assert_ne!(seen(&mut line, places[0]), Seen::Displaced);
        line.enter(High, 4).expect("that of another normal one");
        assert_ne!(seen(&mut line, places[0]), Seen::Displaced);
        assert_eq!(seen(&mut line, new), Seen::Displaced);
    }

    #[test]
    fn whoever_has_a_turn_keeps_its_place() {
        let (mut line, places) = waiting(&[Low]);
        line.call();
        assert!(line.enter(High, 1).is_none());
        assert_eq!(seen(&mut line, places[0]), Seen::Turn);
    }

    #[test]
    fn a_line_without_room_takes_nobody() {
        assert!(Line::default().enter(High, 0).is_none());
    }
}
