//! Where is the admin listener, and how does it move at a reload or an upgrade?

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::answer::View;
use super::serve::serve;
use crate::pool::Address;
use crate::server::door::Queue;
use crate::server::door::bind::{BindError, Bound, adopt, bind, explain};
use crate::server::door::doors::Inherited;
use crate::server::door::listen::ListeningSocket;
use crate::server::door::socket_file::SocketFile;
use crate::server::upgrade::SocketOf;

/// The admin listener, open or not.
pub struct AdminDoor {
    view: Arc<View>,
    open: Mutex<Option<Open>>,
}

struct Open {
    written: Address,
    bound: Address,
    /// For a successor.
    socket: ListeningSocket,
    file: Option<SocketFile>,
    /// Whether whoever started the process keeps the socket.
    passed: bool,
    closing: oneshot::Sender<Queue>,
    serving: JoinHandle<()>,
}

/// What became of the admin listener.
pub struct AdminMoved {
    /// Where it is now, in words.
    pub line: String,
    /// The accept loop at the address where it was; ends when everyone who waited there is in.
    pub former: Option<JoinHandle<()>>,
}

/// What is to become of the admin listener.
pub enum OpenAdmin {
    /// It stays.
    Same,
    /// It is off.
    Off,
    /// It is here.
    At {
        /// The address as written.
        written: Address,
        /// Where it really is.
        bound: Address,
        /// Its socket.
        socket: ListeningSocket,
        /// Another descriptor of it, for a successor.
        copy: ListeningSocket,
        /// Of a Unix socket.
        file: Option<SocketFile>,
        /// Whether whoever started the process keeps the socket.
        passed: bool,
    },
}

impl OpenAdmin {
    /// What it will be found by among the doors of a predecessor, if it moves.
    pub fn key(&self) -> Option<String> {
        match self {
            Self::At { written, .. } => Some(key(written)),
            Self::Same | Self::Off => None,
        }
    }

    /// Where it will be, if it moves.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::At { bound, .. } => Some(bound),
            Self::Same | Self::Off => None,
        }
    }
}

impl AdminDoor {
    /// A closed one.
    pub fn new(view: Arc<View>) -> Self {
        Self {
            view,
            open: Mutex::default(),
        }
    }

    /// Where it is, if it is open.
    pub fn address(&self) -> Option<Address> {
        self.lock().as_ref().map(|open| open.bound.clone())
    }

    /// Gets the socket, if another one is wanted. `ours` are addresses that this process has open.
    ///
    /// # Errors
    ///
    /// The address can't be had.
    pub fn prepare(
        &self,
        wanted: Option<&Address>,
        ours: &[Address],
        inherited: &mut Inherited,
    ) -> Result<OpenAdmin, BindError> {
        let open = self.lock();
        let Some(wanted) = wanted else {
            return Ok(OpenAdmin::Off);
        };
        if open.as_ref().is_some_and(|open| open.written == *wanted) {
            return Ok(OpenAdmin::Same);
        }
        let bound = match inherited.remove(&key(wanted)) {
            Some(given) => adopt(given, 1)?,
            None => bind(wanted, 1, ours)?,
        };
        let Bound {
            address,
            sockets,
            file,
            passed,
        } = bound;
        let copied = sockets
            .into_iter()
            .next()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
            .and_then(|socket| Ok((socket.try_clone()?, socket)));
        let (copy, socket) = copied.map_err(|error| explain(&address, error))?;
        Ok(OpenAdmin::At {
            written: wanted.clone(),
            bound: address,
            socket,
            copy,
            file,
            passed,
        })
    }

    /// Moves it, and says so if it moved. To be called in a runtime.
    ///
    /// # Errors
    ///
    /// The new address can't be listened on at the last moment; it stays where it is.
    pub fn change(&self, to: OpenAdmin) -> Result<Option<AdminMoved>, BindError> {
        let mut open = self.lock();
        Ok(match to {
            OpenAdmin::Same => None,
            OpenAdmin::Off => open.take().map(|open| AdminMoved {
                line: "admin is off".to_owned(),
                former: Some(open.close(TAKE)),
            }),
            OpenAdmin::At {
                written,
                bound,
                socket,
                copy,
                mut file,
                passed,
            } => {
                // Before the one before it closes: they may share an address.
                socket.listen().map_err(|error| explain(&bound, error))?;
                let line = format!("admin is listening on {bound}");
                if let Some(file) = &mut file {
                    file.own();
                }
                let (closing, closed) = oneshot::channel();
                let alive = self.view.process.askers.one_more();
                let serving = tokio::spawn(serve(socket, Arc::clone(&self.view), closed, alive));
                let opened = Open {
                    written,
                    file,
                    bound,
                    socket: copy,
                    passed,
                    closing,
                    serving,
                };
                let former = open.replace(opened);
                Some(AdminMoved {
                    line,
                    former: former.map(|former| former.close(TAKE)),
                })
            }
        })
    }

    /// Accepts no more. Who is there asks a successor the next time, if there is one.
    pub fn leave(&self) {
        self.close();
        self.view.process.askers.leave();
    }

    /// Accepts no more: who waits is let in, unless a successor has this door.
    pub fn close(&self) {
        if let Some(open) = self.lock().take() {
            let queue = self.view.process.queue_at(&key(&open.written), NEAR);
            open.close(queue);
        }
    }

    /// A copy of its socket for a successor.
    ///
    /// # Errors
    ///
    /// No descriptor is left.
    pub fn socket(&self) -> io::Result<Option<(SocketOf, ListeningSocket)>> {
        let open = self.lock();
        let Some(open) = &*open else {
            return Ok(None);
        };
        let of = SocketOf {
            door: key(&open.written),
            address: open.bound.to_string(),
            passed: open.passed,
        };
        Ok(Some((of, open.socket.try_clone()?)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who looks at the process is near: no handshake takes long.
const NEAR: Duration = Duration::ZERO;

/// Nobody else will serve those who wait.
const TAKE: Queue = Queue::Take { handshakes: NEAR };

/// What the admin listener is found by among the doors of a predecessor. No listener's name begins like this.
pub fn key(written: &Address) -> String {
    format!("_admin@{written}")
}

impl Open {
    fn close(self, queue: Queue) -> JoinHandle<()> {
        let queue = if self.passed { Queue::Leave } else { queue };
        if let (Queue::Leave, Some(file)) = (queue, self.file) {
            file.leave();
        }
        // Nobody hears it only if the socket could not be watched.
        let _ = self.closing.send(queue);
        self.serving
    }
}
