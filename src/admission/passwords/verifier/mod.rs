//! Where are passwords tried, and for how long is it remembered which were right?

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use super::line::{Asker, Fingerprint, Job, Joined, Line, Told};
use super::{Credentials, User, Users};
use crate::admission::Client;

/// For how long a right password that nobody uses is known to be right.
const RIGHT_FOR: Duration = Duration::from_secs(3600);

/// A right password that was used is good for the whole time again; written down only every so often.
const RENEWED_AFTER: Duration = Duration::from_secs(60);

/// For how long a wrong one is known to be wrong: a program that keeps asking with an old password costs little then.
/// Who tries many gains nothing by it.
const WRONG_FOR: Duration = Duration::from_secs(10);

/// For how long a client that sent a wrong one leaves the first turn to those that did not.
const ERRED_FOR: Duration = Duration::from_secs(60);

/// How many right passwords are remembered, and how many wrong ones. Apart, so that wrong ones, which anybody can send,
/// push no right one out.
const RIGHT: usize = 16_384;
const WRONG: usize = 1_024;

/// How many clients are remembered that sent wrong ones.
const ERRED: usize = 16_384;

/// At most so many threads try, each with the memory that a hash wants.
const MOST_THREADS: usize = 8;

/// What counts as one client of IPv6: the network that one customer has at least (RFC 6177).
const IPV6_PREFIX: u8 = 64;

/// How much the system prefers all other threads, from 0 to 19 (`nice`).
const NICE: i32 = 10;

/// Tries passwords on threads of its own, and remembers what was found out. One for the whole process.
///
/// Bounded are the threads (half as many as there are cores, and no more than 8), who waits (128 passwords, 8 of one
/// client, 256 requests for one of them) and what is remembered. What is remembered is found by a hash of user, password
/// and the user's hash under a key that nobody knows, so memory holds no password, and what was found out for a hash
/// ends with it.
pub struct Verifier {
    key: hmac::Key,
    right: Cache<Fingerprint, Instant>,
    wrong: Cache<Fingerprint, Instant>,
    erred: Cache<Option<Client>, Instant>,
    line: Mutex<Line>,
    threads: usize,
}

/// Is this the password of that user?
pub struct Question<'q> {
    /// Name and password as the client gave them.
    pub credentials: &'q Credentials,
    /// Who may come in.
    pub users: &'q Users,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// When it is asked.
    pub now: Instant,
}

/// What is known about a question.
pub enum Answer {
    /// The password is right.
    Right(User),
    /// It is wrong, or there is no such user.
    Wrong,
    /// It is being found out.
    Soon(Waiting),
    /// Too many wait already.
    Full,
}

/// An answer to come.
pub struct Waiting {
    told: Told,
    user: Option<User>,
}

impl Waiting {
    /// The user, if the password is right; an error if that could not be found out.
    ///
    /// # Errors
    ///
    /// It could not be found out.
    pub async fn user(mut self) -> Result<Option<User>, Unspecified> {
        let right = self
            .told
            .wait_for(Option::is_some)
            .await
            .map_err(|_| Unspecified)?;
        Ok(self.user.filter(|_| *right == Some(true)))
    }
}

impl Verifier {
    /// One for this machine.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn new() -> Result<Self, Unspecified> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_threads((cores / 2).clamp(1, MOST_THREADS))
    }

    fn with_threads(threads: usize) -> Result<Self, Unspecified> {
        Ok(Self {
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?,
            right: Cache::new(RIGHT),
            wrong: Cache::new(WRONG),
            erred: Cache::new(ERRED),
            line: Mutex::default(),
            threads,
        })
    }

    /// What is known; if nothing is, it is being found out.
    pub fn ask(self: &Arc<Self>, question: &Question<'_>) -> Answer {
        let (name, password) = (question.credentials.user(), question.credentials.password());
        let known = question.users.get(name);
        // Somebody unknown waits as long as if they were known.
        let tried = known.unwrap_or_else(|| question.users.any(self.number(name)));
        let fingerprint = self.fingerprint(name, password, tried, known.is_some());
        if let Some(right) = self.remembered(&fingerprint, question.now) {
            return answer(right, known);
        }
        let client = question
            .client
            .map(|client| Client::of(client, IPV6_PREFIX));
        let erred = holds(self.erred.get(&client), question.now);
        let asker = Asker { client, erred };
        let mut line = self.line();
        // It may have been found out just now.
        if let Some(right) = self.remembered(&fingerprint, question.now) {
            return answer(right, known);
        }
        let joined = line.join(asker, fingerprint, || Job {
            fingerprint,
            password: Zeroizing::new(password.to_vec()),
            hash: Arc::clone(&tried.hash),
            exists: known.is_some(),
        });
        let told = match joined {
            Joined::Full => return Answer::Full,
            Joined::Before(told) => told,
            Joined::Now { told, displaced } => {
                let hired = line.hire(self.threads);
                // The system makes threads in its own time, and others ask meanwhile.
                drop(line);
                drop(displaced);
                if hired {
                    self.employ();
                }
                told
            }
        };
        let user = known.cloned();
        Answer::Soon(Waiting { told, user })
    }

    /// Starts the thread that has been hired.
    fn employ(self: &Arc<Self>) {
        let verifier = Arc::clone(self);
        let started = std::thread::Builder::new()
            .name("passwords".to_owned())
            .spawn(move || verifier.work());
        if started.is_err() {
            let left = self.line().dismiss();
            // Who waits is woken here, where nobody is kept from asking.
            drop(left);
        }
    }

    /// Tries one after the other until nobody waits.
    fn work(&self) {
        // On Linux this is the thread's own (setpriority(2)): requests that need no password go first.
        let _ = rustix::process::setpriority_process(None, NICE);
        loop {
            let next = self.line().next_or_leave();
            let Some((client, job)) = next else { return };
            // A thread that ended here would be counted for ever.
            let right = catch_unwind(AssertUnwindSafe(|| {
                let right = job.hash.fits(&job.password) && job.exists;
                self.remember(client, job.fingerprint, right, Instant::now());
                right
            }));
            let open = self.line().take(&job.fingerprint);
            // To tell those who wait is to wake them, hundreds of them, and this thread may lose its core to any other:
            // were the line held meanwhile, whoever asks would stand still with all that its thread carries.
            if let Some(open) = open {
                open.send_replace(right.ok());
            }
        }
    }

    fn remembered(&self, fingerprint: &Fingerprint, now: Instant) -> Option<bool> {
        let right = self.right.get(fingerprint);
        if holds(right, now) {
            self.renew(*fingerprint, right, now);
            Some(true)
        } else if holds(self.wrong.get(fingerprint), now) {
            Some(false)
        } else {
            None
        }
    }

    /// Who is in stays in as long as they come: they never stand in the line with those who only try.
    fn renew(&self, fingerprint: Fingerprint, until: Option<Instant>, now: Instant) {
        let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if left + RENEWED_AFTER <= RIGHT_FOR
            && let Some(until) = now.checked_add(RIGHT_FOR)
        {
            self.right.insert(fingerprint, until);
        }
    }

    fn remember(
        &self,
        client: Option<Client>,
        fingerprint: Fingerprint,
        right: bool,
        now: Instant,
    ) {
        if right {
            if let Some(until) = now.checked_add(RIGHT_FOR) {
                self.right.insert(fingerprint, until);
            }
            return;
        }
        if let Some(until) = now.checked_add(WRONG_FOR) {
            self.wrong.insert(fingerprint, until);
        }
        if let Some(until) = now.checked_add(ERRED_FOR) {
            self.erred.insert(client, until);
        }
    }

    /// A number that belongs to a name, and that nobody else can work out.
    fn number(&self, name: &str) -> u64 {
        let tag = hmac::sign(&self.key, name.as_bytes());
        let mut number = [0; 8];
        number.copy_from_slice(&tag.as_ref()[..8]);
        u64::from_le_bytes(number)
    }

    fn fingerprint(&self, name: &str, password: &[u8], tried: &User, exists: bool) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[u8::from(exists)]);
        // With their lengths, so that no two questions look the same.
        for part in [name.as_bytes(), password, tried.hash.written().as_bytes()] {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn holds(until: Option<Instant>, now: Instant) -> bool {
    until.is_some_and(|until| now < until)
}

fn answer(right: bool, known: Option<&User>) -> Answer {
    match known {
        Some(user) if right => Answer::Right(user.clone()),
        _ => Answer::Wrong,
    }
}

#[cfg(test)]
mod tests;
