//! Which doors does the process have, and how do they change when a generation takes over?

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::bind::{BindError, adopt, bind, explain};
use super::listen::ListeningSocket;
use super::stay::{Guests, PARTING, Word};
use crate::pool::Address;
use crate::server::door::{Door, HANDSHAKES, Queue, Tasks, tell};
use crate::server::worker::Task;
use crate::snapshot::Listener;

/// Sockets that another process has opened, by the doors they are for.
pub type Inherited = HashMap<String, Given>;

/// Those of one door.
#[derive(Debug)]
pub struct Given {
    /// Where it really is.
    pub address: Address,
    /// They may be descriptors of one and the same.
    pub sockets: Vec<ListeningSocket>,
    /// Whether whoever started the process has them as well, and keeps them.
    pub passed: bool,
}

/// The doors of the process.
#[derive(Debug)]
pub struct Doors {
    workers: Vec<UnboundedSender<Task>>,
    open: Vec<Arc<Door>>,
    /// Those who are in although their door is closed, or not any more what it was.
    parting: Vec<Arc<Guests>>,
    closed: bool,
}

/// Doors that have their sockets and let nobody in yet; who connects waits, or is refused where the address is shared.
#[derive(Default)]
pub struct Ajar {
    doors: Vec<Arc<Door>>,
    /// What the workers have to do so that they are open.
    tasks: Tasks,
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
    /// Doors that could not be opened at the last moment; the next reload tries again.
    pub failed: Vec<NotBound>,
}

/// What is open, and what has to be opened.
pub struct Plan {
    workers: usize,
    /// The keys of the doors that are open.
    open: HashSet<Arc<str>>,
    /// Addresses that are not somebody else's.
    pub ours: Vec<Address>,
}

impl Plan {
    /// Takes the addresses of a predecessor for ours.
    pub fn succeed(&mut self, inherited: &Inherited) {
        let addresses = inherited.values().map(|given| given.address.clone());
        self.ours.extend(addresses);
    }

    /// Gets the sockets of every listener that has none: a predecessor's, or new ones. To be called where the system may be
    /// waited for.
    ///
    /// # Errors
    ///
    /// Every address that can't be had; then nothing has changed.
    pub fn prepare(
        &self,
        listeners: &[Arc<Listener>],
        inherited: &mut Inherited,
    ) -> Result<Ajar, Vec<NotBound>> {
        let (mut ajar, mut failed) = (Ajar::default(), Vec::new());
        let new = listeners.iter().filter(|one| !self.open.contains(&one.key));
        for listener in new {
            match self.open(listener, inherited) {
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

    fn open(
        &self,
        listener: &Arc<Listener>,
        inherited: &mut Inherited,
    ) -> Result<(Arc<Door>, Tasks), BindError> {
        let bound = match inherited.remove(&*listener.key) {
            Some(given) => adopt(given, self.workers)?,
            None => bind(&listener.address, self.workers, &self.ours)?,
        };
        let door = Arc::new(Door::new(listener, bound, self.workers));
        let tasks = door
            .tasks()
            .map_err(|error| explain(&door.address, error))?;
        Ok((door, tasks))
    }
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

    /// What is open now, for who gets the sockets of what is not.
    pub fn plan(&self) -> Plan {
        Plan {
            workers: self.workers.len(),
            open: self.open.iter().map(|door| Arc::from(door.key())).collect(),
            ours: self.open.iter().map(|door| door.address.clone()).collect(),
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
        // Before this returns, and before an address that overlaps is closed: nobody is to be refused in between.
        let (mut opened, mut failed) = (Vec::new(), Vec::new());
        for door in ajar.doors {
            match door.listen() {
                Ok(()) => opened.push(door),
                Err(error) => failed.push(NotBound {
                    listener: Arc::clone(&door.listener_now().name),
                    error: explain(&door.address, error),
                }),
            }
        }
        let is_open = |task: &Task| match task {
            Task::Accept(door, ..) => opened.iter().any(|open| Arc::ptr_eq(open, door)),
            Task::KeepEndpoints(_) | Task::Answer(_) | Task::Leave(_) => true,
        };
        for (worker, task) in ajar.tasks.into_iter().filter(|(_, task)| is_open(task)) {
            // A worker ends only with the process.
            let _ = self.workers[worker].send(task);
        }
        for door in &opened {
            door.own();
            self.open.push(Arc::clone(door));
        }
        for door in &closed {
            // Who is turned away from an address of which another door has a part would wait for a second, and for nothing.
            let is_replaced = self
                .open
                .iter()
                .any(|open| open.address.overlaps(&door.address));
            let handshakes = match is_replaced {
                true => Duration::ZERO,
                false => HANDSHAKES,
            };
            door.close(Queue::Take { handshakes });
            parting.extend(door.guests());
        }
        self.part(parting);
        Moved {
            opened,
            closed,
            failed,
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

    /// Whether each of these listeners has its door.
    pub fn has_all(&self, listeners: &[Arc<Listener>]) -> bool {
        let is_open = |one: &Arc<Listener>| self.open.iter().any(|door| door.key() == &*one.key);
        listeners.iter().all(is_open)
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
    pub fn tell_workers(&self, mut task: impl FnMut() -> Task) {
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
