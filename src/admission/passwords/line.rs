//! Whose password is tried next? A line that is short, and fair to every client.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::PasswordHash;
use crate::admission::Client;

/// What tells one question from all others: a keyed hash of user, password and the user's hash.
pub(super) type Fingerprint = [u8; 32];

/// How many may wait to be tried, all clients together.
pub(super) const MOST: usize = 128;

/// How many may wait that came from one client. A person has one password, and a program few.
pub(super) const MOST_OF_CLIENT: usize = 8;

/// How many requests may wait for the answer to one and the same question.
pub(super) const MOST_WAITING: usize = 256;

/// What those who wait are told: whether it is the right password. Nothing is told if it could not be found out.
pub(super) type Told = watch::Receiver<Option<bool>>;

/// Who tells them.
pub(super) type Teller = watch::Sender<Option<bool>>;

/// A password to be tried.
pub(super) struct Job {
    pub(super) fingerprint: Fingerprint,
    pub(super) password: Zeroizing<Vec<u8>>,
    pub(super) hash: Arc<PasswordHash>,
    /// Whether it belongs to a user at all; if not, trying it only takes its time.
    pub(super) exists: bool,
}

/// Who waits, and how many threads try.
#[derive(Default)]
pub(super) struct Line {
    turns: Turns,
    waiting: FxHashMap<Option<Client>, VecDeque<Job>>,
    length: usize,
    /// Who is to be told about what waits, and about what is being tried.
    open: FxHashMap<Fingerprint, Teller>,
    /// How many threads there are.
    pub(super) threads: usize,
}

/// Clients with something in the line (those on Unix sockets are one), each once, in the order of their turns. Those that
/// err and those that want many tries share every second turn, however many they are: a newcomer waits for newcomers.
#[derive(Default)]
struct Turns {
    newcomers: VecDeque<Option<Client>>,
    others: VecDeque<Option<Client>>,
    others_are_next: bool,
}

impl Turns {
    fn next(&mut self) -> Option<Option<Client>> {
        let (first, second) = if self.others_are_next {
            (&mut self.others, &mut self.newcomers)
        } else {
            (&mut self.newcomers, &mut self.others)
        };
        self.others_are_next = !self.others_are_next;
        first.pop_front().or_else(|| second.pop_front())
    }

    fn remove(&mut self, gone: Option<Client>) {
        for turns in [&mut self.newcomers, &mut self.others] {
            turns.retain(|client| *client != gone);
        }
    }
}

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) client: Option<Client>,
    /// Whether one of its passwords was wrong a short while ago.
    pub(super) erred: bool,
}

/// What becomes of a question.
pub(super) enum Joined {
    /// The same was asked already.
    Before(Told),
    /// It stands in the line now.
    Now {
        told: Told,
        /// Who lost the place for it: they are sent away when this is dropped, after the line's lock is gone.
        displaced: Option<Teller>,
    },
    /// There is no room.
    Full,
}

impl Line {
    /// Joins those who ask the same, or the line's end.
    pub(super) fn join(
        &mut self,
        asker: Asker,
        fingerprint: Fingerprint,
        job: impl FnOnce() -> Job,
    ) -> Joined {
        if let Some(open) = self.open.get(&fingerprint) {
            return if open.receiver_count() < MOST_WAITING {
                Joined::Before(open.subscribe())
            } else {
                Joined::Full
            };
        }
        let own = self.waiting.get(&asker.client).map_or(0, VecDeque::len);
        if own >= MOST_OF_CLIENT {
            return Joined::Full;
        }
        let mut displaced = None;
        if self.length >= MOST {
            displaced = self.make_room(asker, own);
            if displaced.is_none() {
                return Joined::Full;
            }
        }
        if own == 0 {
            let turns = if asker.erred {
                &mut self.turns.others
            } else {
                &mut self.turns.newcomers
            };
            turns.push_back(asker.client);
        }
        let jobs = self.waiting.entry(asker.client).or_default();
        jobs.push_back(job());
        self.length += 1;
        let (open, told) = watch::channel(None);
        self.open.insert(fingerprint, open);
        Joined::Now { told, displaced }
    }

    /// Displaces the newest job of the client that has most, if it still has no less than the one who asks afterwards.
    /// Where everybody has one place, a newcomer displaces somebody who erred; newcomers don't displace each other, for
    /// then nobody would stay until their turn.
    fn make_room(&mut self, asker: Asker, own: usize) -> Option<Teller> {
        let Turns {
            newcomers, others, ..
        } = &self.turns;
        let places = |client: &Option<Client>| self.waiting.get(client).map_or(0, VecDeque::len);
        // Of several the last: their turns are the farthest off, and those who erred come after newcomers.
        let most = *newcomers
            .iter()
            .chain(others)
            .max_by_key(|client| places(client))?;
        let gives_way = own == 0 && !asker.erred && !others.is_empty();
        if places(&most) < own + 2 && !gives_way {
            return None;
        }
        let jobs = self.waiting.get_mut(&most)?;
        let job = jobs.pop_back()?;
        if jobs.is_empty() {
            self.waiting.remove(&most);
            self.turns.remove(most);
        }
        self.length -= 1;
        self.open.remove(&job.fingerprint)
    }

    /// Takes the first job of the client whose turn it is. One for which nobody waits any more is left out.
    pub(super) fn next(&mut self) -> Option<(Option<Client>, Job)> {
        loop {
            let client = self.turns.next()?;
            let jobs = self.waiting.get_mut(&client)?;
            let job = jobs.pop_front()?;
            self.length -= 1;
            if jobs.is_empty() {
                self.waiting.remove(&client);
            } else {
                self.turns.others.push_back(client);
            }
            if self
                .open
                .get(&job.fingerprint)
                .is_some_and(|open| !open.is_closed())
            {
                return Some((client, job));
            }
            self.open.remove(&job.fingerprint);
        }
    }

    /// The next job, and whose it is; a thread for which there is none has left.
    pub(super) fn next_or_leave(&mut self) -> Option<(Option<Client>, Job)> {
        let next = self.next();
        if next.is_none() {
            self.threads -= 1;
        }
        next
    }

    /// Takes out the one who tells everybody that waits for it. Who has it tells after the line's lock is gone.
    pub(super) fn take(&mut self, fingerprint: &Fingerprint) -> Option<Teller> {
        self.open.remove(fingerprint)
    }

    /// Counts one more thread, if there are fewer than `most`: it is to be started when the line's lock is gone.
    pub(super) fn hire(&mut self, most: usize) -> bool {
        let hired = self.threads < most;
        self.threads += usize::from(hired);
        hired
    }

    /// Counts one thread less, which could not be started. The others go on; if it was the only one, nobody would ever be
    /// told: the whole line is taken out, and whoever waits is sent away when that is dropped.
    pub(super) fn dismiss(&mut self) -> Option<Self> {
        self.threads -= 1;
        (self.threads == 0).then(|| std::mem::take(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: u8) -> Job {
        Job {
            fingerprint: [number; 32],
            password: Zeroizing::default(),
            hash: Arc::new(
                "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
                    .parse()
                    .expect("a hash"),
            ),
            exists: true,
        }
    }

    fn client(text: &str) -> Option<Client> {
        Some(Client::of(text.parse().expect("an address"), 64))
    }

    fn join(line: &mut Line, client: Option<Client>, number: u8) -> Option<Told> {
        let erred = false;
        enter(line, Asker { client, erred }, number)
    }

    fn enter(line: &mut Line, asker: Asker, number: u8) -> Option<Told> {
        match line.join(asker, [number; 32], || job(number)) {
            Joined::Now { told, .. } | Joined::Before(told) => Some(told),
            Joined::Full => None,
        }
    }

    #[test]
    fn clients_take_turns_and_one_has_only_so_many_places() {
        let (mut line, mut kept) = (Line::default(), Vec::new());
        let (greedy, other) = (client("192.0.2.1"), client("192.0.2.2"));
        for number in 0..20 {
            let told = join(&mut line, greedy, number);
            assert_eq!(
                told.is_some(),
                usize::from(number) < MOST_OF_CLIENT,
                "{number}"
            );
            kept.extend(told);
        }
        kept.extend(join(&mut line, other, 100));
        kept.extend(join(&mut line, other, 101));
        let order: Vec<u8> = std::iter::from_fn(|| line.next())
            .map(|(_, job)| job.fingerprint[0])
            .collect();
        assert_eq!(order, [0, 1, 100, 2, 101, 3, 4, 5, 6, 7]);
        assert!(line.turns.newcomers.is_empty() && line.turns.others.is_empty());
        assert!(line.waiting.is_empty());
        assert_eq!(line.length, 0);
    }

    #[test]
    fn the_line_is_bounded_whoever_comes() {
        let (mut line, mut kept) = (Line::default(), Vec::new());
        for number in 0..200_u8 {
            kept.extend(join(
                &mut line,
                client(&format!("192.0.2.{number}")),
                number,
            ));
        }
        assert_eq!(
            (kept.len(), line.length, line.open.len()),
            (MOST, MOST, MOST)
        );
        assert!(line.hire(2) && line.hire(2) && !line.hire(2));
        assert!(line.dismiss().is_none(), "another thread goes on");
        assert_eq!(line.length, MOST);
        let left = line.dismiss().expect("nobody would go on");
        assert_eq!((line.threads, line.length, line.open.len()), (0, 0, 0));
        assert!(kept.iter().all(|told| told.has_changed().is_ok()));
        drop(left);
        assert!(
            kept.iter().all(|told| told.has_changed().is_err()),
            "nobody waits for ever"
        );
    }

    /// How many jobs of each are in the line.
    fn places(line: &Line, clients: &[Option<Client>]) -> Vec<usize> {
        let of = |client| line.waiting.get(client).map_or(0, VecDeque::len);
        clients.iter().map(of).collect()
    }

    #[test]
    fn whoever_has_most_makes_room_until_all_have_the_same() {
        let (mut line, mut kept) = (Line::default(), Vec::new());
        let greedy: Vec<_> = (0..16).map(|n| client(&format!("192.0.2.{n}"))).collect();
        for number in 0..128 {
            kept.extend(join(&mut line, greedy[usize::from(number % 16)], number));
        }
        assert_eq!((line.length, kept.len()), (MOST, MOST));
        let own_ninth = join(&mut line, greedy[0], 128);
        assert!(own_ninth.is_none());

        // However often it errs: places are shared by all.
        let client = client("198.51.100.1");
        for (erred, number) in [(false, 200), (true, 201), (true, 202)] {
            kept.extend(enter(&mut line, Asker { client, erred }, number));
        }
        assert_eq!(places(&line, &[client]), [3]);
        assert_eq!((line.length, line.open.len()), (MOST, MOST));
        let told_no_more = |told: &&Told| told.has_changed().is_err();
        let gone: Vec<usize> = (0..kept.len())
            .filter(|index| told_no_more(&&kept[*index]))
            .collect();
        assert_eq!(gone, [125, 126, 127], "the newest of those that had 8");

        // It waits for the first try of those that came before it, and every second turn is for their other ones.
        let order: Vec<u8> = std::iter::from_fn(|| line.next())
            .map(|(_, job)| job.fingerprint[0])
            .collect();
        let turn = |number: u8| order.iter().position(|other| *other == number);
        assert_eq!(order.len(), MOST);
        assert_eq!(turn(200), Some(32), "{order:?}");
        assert_eq!(line.length, 0);
    }

    #[test]
    fn a_newcomer_takes_the_place_of_one_who_erred_and_the_turn_before_all_of_them() {
        let (mut line, mut kept) = (Line::default(), Vec::new());
        for number in 0..128_u8 {
            let client = client(&format!("192.0.2.{number}"));
            kept.extend(enter(
                &mut line,
                Asker {
                    client,
                    erred: true,
                },
                number,
            ));
        }
        let late = Asker {
            client: client("192.0.2.200"),
            erred: true,
        };
        assert!(enter(&mut line, late, 200).is_none(), "no better than they");
        let newcomer = client("198.51.100.1");
        let told = join(&mut line, newcomer, 201).expect("a place");
        assert_eq!((line.length, line.open.len()), (MOST, MOST));
        assert!(kept[127].has_changed().is_err() && kept[126].has_changed().is_ok());
        assert!(join(&mut line, newcomer, 202).is_none(), "and only one");
        let order: Vec<u8> = std::iter::from_fn(|| line.next())
            .map(|(_, job)| job.fingerprint[0])
            .take(3)
            .collect();
        assert_eq!(order, [201, 0, 1]);
        drop(told);
    }

    #[test]
    fn those_who_erred_have_every_second_turn_however_many_newcomers_there_are() {
        let (mut line, mut kept) = (Line::default(), Vec::new());
        let asker = Asker {
            client: client("198.51.100.1"),
            erred: true,
        };
        for number in 0..20_u8 {
            kept.extend(join(
                &mut line,
                client(&format!("192.0.2.{number}")),
                number,
            ));
        }
        kept.extend(enter(&mut line, asker, 100));
        let order: Vec<u8> = std::iter::from_fn(|| line.next())
            .map(|(_, job)| job.fingerprint[0])
            .take(3)
            .collect();
        assert_eq!(order, [0, 100, 1]);
    }

    #[test]
    fn who_asks_the_same_waits_for_the_same_answer() {
        let mut line = Line::default();
        let told: Vec<Told> = (0..MOST_WAITING + 9)
            .filter_map(|_| join(&mut line, client("192.0.2.1"), 1))
            .collect();
        assert_eq!(told.len(), MOST_WAITING);
        let (_, job) = line.next().expect("one");
        assert!(line.next().is_none());
        let open = line.take(&job.fingerprint).expect("they wait");
        open.send_replace(Some(true));
        assert!(told.iter().all(|told| *told.borrow() == Some(true)));
        assert!(line.open.is_empty());
    }

    #[test]
    fn what_nobody_waits_for_is_not_tried() {
        let mut line = Line::default();
        drop(join(&mut line, client("192.0.2.1"), 1));
        let _stays = join(&mut line, client("192.0.2.1"), 2);
        assert_eq!(line.next().map(|(_, job)| job.fingerprint[0]), Some(2));
        assert_eq!(line.open.len(), 1);
    }
}
