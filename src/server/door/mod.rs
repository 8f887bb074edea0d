//! Which addresses are open, over all generations? A door is an address with its sockets, one for each worker; reloads
//! change what holds behind it, and only closing it ends it.

pub mod accepted;
pub mod admit;
pub mod bind;
pub mod doors;
pub mod listen;
pub mod live;
pub mod passed;
pub mod shortage;
pub mod socket_file;
pub mod stay;
mod turn_away;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

use crate::pool::Address;
use crate::server::worker::Task;
use crate::snapshot::Listener;
use bind::Bound;
use listen::ListeningSocket;
use live::Live;
use socket_file::SocketFile;
use stay::{Guests, Stay, Word};

/// What becomes of connections that wait in the kernel's queue when a door closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// They are taken: after this nobody else will.
    Take {
        /// How long handshakes that have begun may take to end. Meanwhile nobody can begin one.
        handshakes: Duration,
    },
    /// They stay where they are: a successor, or whoever has passed the socket to this process, has the same one.
    Leave,
}

/// How long a door that closes for good waits for handshakes that have begun: the time to most clients and back, and
/// short enough for a stop that has nothing else to wait for. Whoever is turned away meanwhile tries again a second later
/// (RFC 6298 §2), and would have been refused.
pub const HANDSHAKES: Duration = Duration::from_millis(50);

/// What workers have to do, by their numbers.
pub type Tasks = Vec<(usize, Task)>;

/// An open address.
#[derive(Debug)]
pub struct Door {
    /// Where it really is: the kernel's choice for port 0.
    pub address: Address,
    key: Arc<str>,
    listener: ArcSwap<Listener>,
    /// Those who came under the present protocol settings, by worker, so that threads don't share a list of waiters.
    guests: Box<[Mutex<Arc<Guests>>]>,
    /// Copies of the workers' sockets, for a successor.
    sockets: Mutex<Vec<ListeningSocket>>,
    closing: watch::Sender<Option<Queue>>,
    accepting: Arc<Live>,
    file: Mutex<Option<SocketFile>>,
    /// Whether whoever started the process keeps its sockets: then closing it here does not close it.
    pub passed: bool,
}

impl Door {
    /// A door with the sockets of its address, at which each of `workers` is to accept.
    pub fn new(listener: &Arc<Listener>, bound: Bound, workers: usize) -> Self {
        Self {
            file: Mutex::new(bound.file),
            accepting: Arc::default(),
            passed: bound.passed,
            address: bound.address,
            key: Arc::clone(&listener.key),
            listener: ArcSwap::from(Arc::clone(listener)),
            guests: (0..workers).map(|_| Mutex::default()).collect(),
            sockets: Mutex::new(bound.sockets),
            closing: watch::Sender::new(None),
        }
    }

    /// What each worker has to do so that the door is open.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn tasks(self: &Arc<Self>) -> io::Result<Tasks> {
        let workers = self.guests.len();
        let sockets = self.sockets()?.into_iter().enumerate();
        // More sockets than workers come from a predecessor with more workers.
        let tasks = sockets.map(|(number, socket)| {
            let accepting = self.accepting.one_more();
            let task = Task::Accept(Arc::clone(self), socket, accepting);
            (number % workers, task)
        });
        Ok(tasks.collect())
    }

    /// What it is found by in each generation.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its settings, as the newest generation that has it knows them.
    pub fn listener(&self) -> Arc<Listener> {
        self.listener.load_full()
    }

    /// The same for a moment, without counting one more holder.
    pub fn listener_now(&self) -> Guard<Arc<Listener>> {
        self.listener.load()
    }

    /// Puts other settings in force. With `reconnect`, connections accepted so far get one more answer at most: what they
    /// agreed on is not on offer any more.
    pub fn change(&self, listener: &Arc<Listener>, reconnect: bool) -> Vec<Arc<Guests>> {
        self.listener.store(Arc::clone(listener));
        if !reconnect {
            return Vec::new();
        }
        self.guests
            .iter()
            .map(|guests| {
                let mut guests = guests.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *guests)
            })
            .collect()
    }

    /// Takes a connection in that this worker accepted.
    pub fn welcome(&self, worker: usize) -> Stay {
        self.guests[worker]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .welcome()
    }

    /// Everyone who is in and came under the present settings.
    pub fn guests(&self) -> Vec<Arc<Guests>> {
        let of = |guests: &Mutex<Arc<Guests>>| {
            Arc::clone(&guests.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.guests.iter().map(of).collect()
    }

    /// Resolves when nobody is to be let in any more, and tells what becomes of those who wait outside.
    pub async fn closed(&self) -> Queue {
        let mut closing = self.closing.subscribe();
        let said = closing.wait_for(Option::is_some).await;
        // The sender is in `self`, so there is a word.
        said.ok().and_then(|said| *said).unwrap_or(Queue::Leave)
    }

    /// Copies of its sockets.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn sockets(&self) -> io::Result<Vec<ListeningSocket>> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.iter().map(ListeningSocket::try_clone).collect()
    }

    /// Lets connections come to it, where they wait for the workers.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn listen(&self) -> io::Result<()> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.iter().try_for_each(ListeningSocket::listen)
    }

    /// Says that it is this process's: nobody had it before, or who had it has gone.
    pub fn own(&self) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &mut *file {
            file.own();
        }
    }

    /// Lets nobody in any more. Those who are in stay. At a socket that was passed who waits outside goes on waiting,
    /// for the next process.
    pub fn close(&self, queue: Queue) {
        let queue = if self.passed { Queue::Leave } else { queue };
        let file = self
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let (Queue::Leave, Some(file)) = (queue, file) {
            file.leave();
        }
        self.closing.send_replace(Some(queue));
        self.sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Resolves when a closed door is shut: everyone who waited outside is in, and no worker accepts.
    pub async fn shut(&self) {
        self.accepting.none_left().await;
    }
}

/// Says a word to many.
pub fn tell(guests: &[Arc<Guests>], word: Word) {
    for guests in guests {
        guests.tell(word);
    }
}
