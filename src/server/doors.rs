//! Which doors does the process have, and how do they change when a generation takes over?

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::door::{Door, Queue, tell};
use super::listen::{BindError, Bound, ListeningSocket, adopt, bind, explain};
use super::stay::{Guests, Word};
use super::worker::Task;
use crate::pool::Address;
use crate::snapshot::Listener;

/// How long a connection that must not stay may wait for one more request, which is then answered with the word that it
/// is the last. Closing at once could cross with a request on its way (RFC 9112 §9.5).
pub const PARTING: Duration = Duration::from_secs(5);

/// Sockets of a predecessor: those of each door, with where it really is.
pub type Inherited = HashMap<String, (Address, Vec<ListeningSocket>)>;

/// The doors of the process.
#[derive(Debug)]
pub struct Doors {
    workers: Vec<UnboundedSender<Task>>,
    open: Vec<Arc<Door>>,
    /// Those who are in although their door is closed, or not any more what it was.
    parting: Vec<Arc<Guests>>,
    closed: bool,
}

/// Doors that have their sockets and let nobody in yet.
#[derive(Default)]
pub struct Ajar {
    doors: Vec<Arc<Door>>,
    /// What the workers have to do so that they are open.
    tasks: Vec<(usize, Task)>,
}

impl Ajar {
    /// The doors.
    pub fn doors(&self) -> &[Arc<Door>] {
        &self.doors
    }
}

/// A listener whose address can't be had.
#[derive(Debug)]
pub struct NotBound {
    /// The listener's name.
    pub listener: Arc<str>,
    /// Why.
    pub error: BindError,
}

/// What changed.
#[derive(Debug, Default)]
pub struct Moved {
    /// Doors that are open now.
    pub opened: Vec<Arc<Door>>,
    /// Doors that are closed now.
    pub closed: Vec<Arc<Door>>,
}

impl Doors {
    /// No door yet, for workers that are told so.
    pub fn new(workers: Vec<UnboundedSender<Task>>) -> Self {
        Self {
            workers,
            open: Vec::new(),
            parting: Vec::new(),
            closed: false,
        }
    }

    /// Gets the sockets of every listener that has none: a predecessor's, or new ones.
    ///
    /// # Errors
    ///
    /// Every address that can't be had; then nothing has changed.
    pub fn prepare(
        &self,
        listeners: &[Arc<Listener>],
        inherited: &mut Inherited,
    ) -> Result<Ajar, Vec<NotBound>> {
        let open: HashSet<&str> = self.open.iter().map(|door| door.key()).collect();
        let of_predecessor = inherited.values().map(|(address, _)| address.clone());
        let mut ours = self.addresses();
        ours.extend(of_predecessor);
        let (mut ajar, mut failed) = (Ajar::default(), Vec::new());
        let new = listeners.iter().filter(|one| !open.contains(&*one.key));
        for listener in new {
            let opened = self.sockets(listener, inherited, &ours).and_then(|bound| {
                let door = Arc::new(Door::new(listener, bound, self.workers.len()));
                let tasks = door.tasks();
                let tasks = tasks.map_err(|error| explain(&door.address, error))?;
                Ok((door, tasks))
            });
            match opened {
                Ok((door, tasks)) => {
                    ajar.doors.push(door);
                    ajar.tasks.extend(tasks);
                }
                Err(error) => failed.push(NotBound {
                    listener: Arc::clone(&listener.name),
                    error,
                }),
            }
        }
        if failed.is_empty() {
            Ok(ajar)
        } else {
            Err(failed)
        }
    }

    fn sockets(
        &self,
        listener: &Listener,
        inherited: &mut Inherited,
        ours: &[Address],
    ) -> Result<Bound, BindError> {
        match inherited.remove(&*listener.key) {
            Some((address, sockets)) => adopt(address, sockets, self.workers.len()),
            None => bind(&listener.address, self.workers.len(), ours),
        }
    }

    /// Lets connections in at the new doors, changes what holds behind those that stay, and closes those that no listener
    /// has any more. `reconnect` are the keys of listeners at which connections must not go on as they were agreed.
    ///
    /// To be called in a runtime, when the generation of `listeners` is in force.
    pub fn change(
        &mut self,
        ajar: Ajar,
        listeners: &[Arc<Listener>],
        reconnect: &HashSet<Arc<str>>,
    ) -> Moved {
        if self.closed {
            // The process began to end meanwhile.
            return Moved::default();
        }
        let now: HashMap<&str, &Arc<Listener>> =
            listeners.iter().map(|one| (&*one.key, one)).collect();
        let mut parting = Vec::new();
        let (kept, closed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|door| now.contains_key(door.key()));
        for door in &kept {
            if let Some(listener) = now.get(door.key()) {
                parting.extend(door.change(listener, reconnect.contains(door.key())));
            }
        }
        self.open = kept;
        for (worker, task) in ajar.tasks {
            // A worker ends only with the process.
            let _ = self.workers[worker].send(task);
        }
        self.open.extend(ajar.doors.iter().cloned());
        for door in &closed {
            door.close(Queue::Take);
            parting.extend(door.guests());
        }
        self.part(parting);
        Moved {
            opened: ajar.doors,
            closed,
        }
    }

    /// Asks connections to leave, and those that wait for a request a little later.
    fn part(&mut self, guests: Vec<Arc<Guests>>) {
        self.parting.retain(|guests| !guests.is_empty());
        if guests.is_empty() {
            return;
        }
        tell(&guests, Word::Last);
        self.parting.extend(guests.iter().cloned());
        tokio::spawn(async move {
            tokio::time::sleep(PARTING).await;
            tell(&guests, Word::Leave);
        });
    }

    /// Where the doors are.
    pub fn addresses(&self) -> Vec<Address> {
        self.open.iter().map(|door| door.address.clone()).collect()
    }

    /// Whether all doors were closed: the process ends.
    pub fn are_closed(&self) -> bool {
        self.closed
    }

    /// The doors that are open.
    pub fn open(&self) -> &[Arc<Door>] {
        &self.open
    }

    /// Gives every worker something to do.
    pub fn tell_workers(&self, task: impl Fn() -> Task) {
        for worker in &self.workers {
            let _ = worker.send(task());
        }
    }

    /// Says a word to everyone who is in.
    pub fn tell_all(&self, word: Word) {
        for door in &self.open {
            tell(&door.guests(), word);
        }
        tell(&self.parting, word);
    }

    /// Closes every door; those who are in stay.
    pub fn close_all(&mut self, queue: impl Fn(&Door) -> Queue) -> Vec<Arc<Door>> {
        self.closed = true;
        let doors = std::mem::take(&mut self.open);
        for door in &doors {
            door.close(queue(door));
            self.parting.extend(door.guests());
        }
        doors
    }
}
