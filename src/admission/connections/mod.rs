//! How many connections are there, and may there be one more: in the process, on a listener, of one client?
//!
//! The numbers outlive a reload, the limits come as arguments: one that is lowered cuts nobody off, it only refuses who is
//! new. A process that takes over from another counts its own connections only.

mod clients;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::admission::Client;
use crate::telemetry::seldom::Seldom;
use clients::Clients;

/// How often refusals are told.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// A number of open connections.
#[derive(Debug, Default)]
pub struct Count(AtomicUsize);

impl Count {
    /// How many there are.
    pub fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more, unless there are as many as there may be.
    fn enter(&self, most: Option<usize>) -> bool {
        let Some(most) = most else {
            self.0.fetch_add(1, Ordering::Relaxed);
            return true;
        };
        let more = |count| (count < most).then_some(count + 1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_update(set, fetch, more).is_ok()
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The open connections of one listener.
#[derive(Debug)]
pub struct Connections {
    process: Arc<Count>,
    listener: Count,
    clients: Clients,
    /// Those that were refused because of a limit.
    pub refusals: Seldom,
    /// Those that were refused because of who the client is; told apart, so that they don't hide that a limit is reached.
    pub denials: Seldom,
}

impl Connections {
    /// None yet; `process` counts those of all listeners.
    pub fn new(process: Arc<Count>) -> Self {
        Self {
            process,
            listener: Count::default(),
            clients: Clients::default(),
            refusals: Seldom::new(TOLD_EVERY),
            denials: Seldom::new(TOLD_EVERY),
        }
    }

    /// Counts one more, if the process may have `most_in_all` and this listener `most_here`; `None` for no limit.
    ///
    /// # Errors
    ///
    /// Which of them is reached.
    pub fn enter(
        self: &Arc<Self>,
        most_in_all: Option<usize>,
        most_here: Option<usize>,
    ) -> Result<Permit, Full> {
        if !self.listener.enter(most_here) {
            return Err(Full::Listener);
        }
        if !self.process.enter(most_in_all) {
            self.listener.leave();
            return Err(Full::Process);
        }
        Ok(Permit {
            connections: Arc::clone(self),
            client: None,
        })
    }

    /// How many there are.
    pub fn now(&self) -> usize {
        self.listener.now()
    }
}

/// Why there is no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The process has as many as it may.
    Process,
    /// The listener has.
    Listener,
    /// The client has.
    Client,
}

/// The right to be connected; given back by drop.
#[derive(Debug)]
pub struct Permit {
    connections: Arc<Connections>,
    client: Option<Client>,
}

impl Permit {
    /// Counts it as one of this client's, which may have `most`; `None` for no limit. To be called when the client is
    /// known.
    ///
    /// # Errors
    ///
    /// The client has as many as it may.
    pub fn of_client(&mut self, client: Client, most: Option<usize>) -> Result<(), Full> {
        if !self.connections.clients.enter(client, most) {
            return Err(Full::Client);
        }
        if let Some(before) = self.client.replace(client) {
            self.connections.clients.leave(before);
        }
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(client) = self.client {
            self.connections.clients.leave(client);
        }
        self.connections.listener.leave();
        self.connections.process.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners() -> (Arc<Count>, [Arc<Connections>; 2]) {
        let process = Arc::new(Count::default());
        let listener = || Arc::new(Connections::new(Arc::clone(&process)));
        let listeners = [listener(), listener()];
        (process, listeners)
    }

    #[test]
    fn who_comes_over_a_limit_is_refused_until_another_one_goes() {
        let (process, [one, other]) = listeners();
        let first = one.enter(Some(3), Some(2)).expect("room");
        let _second = one.enter(Some(3), Some(2)).expect("room");
        assert_eq!(one.enter(Some(3), Some(2)).err(), Some(Full::Listener));
        let _third = other.enter(Some(3), Some(2)).expect("room");
        assert_eq!(other.enter(Some(3), Some(2)).err(), Some(Full::Process));
        assert_eq!((process.now(), one.now(), other.now()), (3, 2, 1));
        drop(first);
        let _fourth = other.enter(Some(3), Some(2)).expect("room again");
        assert_eq!((process.now(), one.now(), other.now()), (3, 1, 2));
    }

    #[test]
    fn a_limit_that_is_lowered_refuses_and_cuts_nobody_off() {
        let (process, [one, _]) = listeners();
        let permits: Vec<Permit> = (0..10)
            .map(|_| one.enter(None, None).expect("no limit"))
            .collect();
        assert_eq!(one.enter(None, Some(5)).err(), Some(Full::Listener));
        assert_eq!(one.now(), 10);
        drop(permits);
        assert_eq!((one.now(), process.now()), (0, 0));
        assert!(one.enter(None, Some(5)).is_ok());
    }

    #[test]
    fn a_client_over_its_limit_gives_back_what_its_connection_had_taken() {
        let (process, [one, _]) = listeners();
        let client = Client::of([192, 0, 2, 1].into(), 64);
        let mut first = one.enter(None, None).expect("room");
        first.of_client(client, Some(1)).expect("room");
        let mut second = one.enter(None, None).expect("room");
        assert_eq!(second.of_client(client, Some(1)), Err(Full::Client));
        drop(second);
        assert_eq!((process.now(), one.now()), (1, 1));
        drop(first);
        assert_eq!((process.now(), one.clients.len()), (0, 0));
    }

    #[test]
    fn no_limit_is_exceeded_when_many_come_at_once() {
        const MOST: usize = 100;
        let (process, [one, _]) = listeners();
        let client = Client::of([192, 0, 2, 1].into(), 64);
        let come = || {
            let mut inside = Vec::new();
            for _ in 0..2_000 {
                if let Ok(mut permit) = one.enter(Some(MOST), None)
                    && permit.of_client(client, Some(MOST / 2)).is_ok()
                {
                    inside.push(permit);
                }
                assert!(process.now() <= MOST, "{}", process.now());
                if inside.len() > 20 {
                    inside.clear();
                }
            }
            inside
        };
        let inside: Vec<Permit> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(come)).collect();
            let inside = threads.into_iter().map(|one| one.join().expect("no panic"));
            inside.flatten().collect()
        });
        assert_eq!(one.now(), inside.len());
        assert!(inside.len() <= MOST / 2, "{}", inside.len());
        drop(inside);
        assert_eq!((process.now(), one.now(), one.clients.len()), (0, 0, 0));
    }
}
