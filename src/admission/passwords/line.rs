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
    /// Clients with something in the line (those on Unix sockets are one), each once, in the order of their turns.
    turns: VecDeque<Option<Client>>,
    waiting: FxHashMap<Option<Client>, VecDeque<Job>>,
    length: usize,
    /// Who is to be told about what waits, and about what is being tried.
    open: FxHashMap<Fingerprint, Teller>,
    /// How many threads there are.
    pub(super) threads: usize,
}

/// What becomes of a question.
pub(super) enum Joined {
    /// The same was asked already.
    Before(Told),
    /// It stands in the line now.
    Now(Told),
    /// There is no room.
    Full,
}

impl Line {
    /// Joins those who ask the same, or the line's end.
    pub(super) fn join(
        &mut self,
        client: Option<Client>,
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
        let own = self.waiting.get(&client).map_or(0, VecDeque::len);
        if self.length >= MOST || own >= MOST_OF_CLIENT {
            return Joined::Full;
        }
        if own == 0 {
            self.turns.push_back(client);
        }
        self.waiting.entry(client).or_default().push_back(job());
        self.length += 1;
        let (open, told) = watch::channel(None);
        self.open.insert(fingerprint, open);
        Joined::Now(told)
    }

    /// Takes the first job of the client whose turn it is. One for which nobody waits any more is left out.
    pub(super) fn next(&mut self) -> Option<Job> {
        loop {
            let client = self.turns.pop_front()?;
            let jobs = self.waiting.get_mut(&client)?;
            let job = jobs.pop_front()?;
            self.length -= 1;
            if jobs.is_empty() {
                self.waiting.remove(&client);
            } else {
                self.turns.push_back(client);
            }
            if self
                .open
                .get(&job.fingerprint)
                .is_some_and(|open| !open.is_closed())
            {
                return Some(job);
            }
            self.open.remove(&job.fingerprint);
        }
    }

    /// The next job; a thread for which there is none has left.
    pub(super) fn next_or_leave(&mut self) -> Option<Job> {
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
        match line.join(client, [number; 32], || job(number)) {
            Joined::Now(told) | Joined::Before(told) => Some(told),
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
            .map(|job| job.fingerprint[0])
            .collect();
        assert_eq!(order, [0, 100, 1, 101, 2, 3, 4, 5, 6, 7]);
        assert!(line.turns.is_empty() && line.waiting.is_empty());
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

    #[test]
    fn who_asks_the_same_waits_for_the_same_answer() {
        let mut line = Line::default();
        let told: Vec<Told> = (0..MOST_WAITING + 9)
            .filter_map(|_| join(&mut line, client("192.0.2.1"), 1))
            .collect();
        assert_eq!(told.len(), MOST_WAITING);
        let job = line.next().expect("one");
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
        assert_eq!(line.next().map(|job| job.fingerprint[0]), Some(2));
        assert_eq!(line.open.len(), 1);
    }
}
