//! May a connection stay? Whoever closes a listening address, or ends the process, tells its connections step by step.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How long what has begun, a handshake or a header, may still take when waiting connections go.
pub const LAST_CALL: Duration = Duration::from_secs(1);

/// How long a connection that must not stay may wait for one more request, which is then answered with the word that it
/// is the last. Closing at once could cross with a request on its way (RFC 9112 §9.5).
pub const PARTING: Duration = Duration::from_secs(5);

/// What a connection is told, from kind to hard. Each word includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// Go on.
    #[default]
    Stay,
    /// The next answer is the last one and says so (`Connection: close`, GOAWAY). A connection that waits for a request
    /// may still get one: closing it now could cross with a request that is on its way.
    Last,
    /// Whoever waits for a request goes; who was not told with its last answer that it was the last, a little later.
    Leave,
    /// Whoever waits for a request goes, told or not: nobody else would take the connection either.
    Close,
    /// The grace is over: WebSockets say goodbye.
    Goodbye,
}

/// Tells the connections that came while it was in use.
#[derive(Debug, Default)]
pub struct Guests(watch::Sender<Word>);

impl Guests {
    /// Takes one more in.
    pub fn welcome(&self) -> Stay {
        let mut hears = self.0.subscribe();
        if *hears.borrow() > Word::Stay {
            // Said before it came, and meant for it as well.
            hears.mark_changed();
        }
        Stay(hears)
    }

    /// Whether everyone has left.
    pub fn is_empty(&self) -> bool {
        self.0.receiver_count() == 0
    }

    /// Says a word to all; a kinder one than they have heard already is not said.
    pub fn tell(&self, word: Word) {
        self.0.send_if_modified(|said| {
            let harder = word > *said;
            *said = word.max(*said);
            harder
        });
    }
}

/// A connection's ear.
#[derive(Clone, Debug)]
pub struct Stay(watch::Receiver<Word>);

impl Stay {
    /// Whether the next answer is the last one. Costs an atomic load.
    pub fn is_over(&self) -> bool {
        // Nobody marks the word as seen, so once there was one there is always one; and who has no one left to hear
        // from belongs to a process that ends.
        self.0.has_changed().unwrap_or(true)
    }

    /// Resolves when this word, or a harder one, is said.
    pub async fn until(&self, word: Word) {
        // A copy of its own: waiting marks words as seen.
        let _ = self.0.clone().wait_for(|said| *said >= word).await;
    }

    /// Resolves this long after those who wait were told to leave, or at `untold` if that is later and nobody is in a hurry.
    pub async fn overdue(&self, more: Duration, untold: Option<Instant>) {
        self.until(Word::Leave).await;
        // Boxed: a parked connection holds this future for long.
        Box::pin(async {
            if let Some(untold) = untold {
                let _ = tokio::time::timeout_at(untold.into(), self.until(Word::Close)).await;
            }
            tokio::time::sleep(more).await;
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_guest_hears_what_is_said_after_it_came() {
        let guests = Guests::default();
        let stay = guests.welcome();
        assert!(!stay.is_over());
        guests.tell(Word::Last);
        assert!(stay.is_over());
        stay.until(Word::Last).await;
        assert!(stay.is_over(), "hearing it does not make it unsaid");
        guests.tell(Word::Goodbye);
        guests.tell(Word::Leave);
        stay.until(Word::Goodbye).await;
    }

    #[tokio::test]
    async fn who_comes_later_hears_what_was_said_before() {
        let guests = Guests::default();
        guests.tell(Word::Leave);
        let stay = guests.welcome();
        stay.until(Word::Leave).await;
        assert!(stay.is_over());
    }

    #[tokio::test]
    async fn without_anyone_to_hear_from_it_is_over() {
        let stay = Guests::default().welcome();
        assert!(stay.is_over());
        stay.until(Word::Goodbye).await;
    }
}
