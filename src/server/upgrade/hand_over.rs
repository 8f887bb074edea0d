//! How does an old process hand over to a new one? Step by step, and until the last one it can go back: whatever the new
//! process does wrong, the old one serves on as if nothing had been.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use super::link::{Link, MOST_DESCRIPTORS};
use super::message::{FromNew, FromOld, Memory, SocketOf};
use crate::admin::AdminDoor;
use crate::server::directory::own_user;
use crate::server::listen::ListeningSocket;
use crate::server::process::{Process, Successor};

/// How often the successor hears how many connections are left.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long a process that has failed may take to end by itself, so that its exit code can be told.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What is to be started.
#[derive(Clone, Debug)]
pub struct NewProcess {
    /// The binary.
    pub binary: PathBuf,
    /// Its configuration's main file.
    pub config: PathBuf,
}

/// Starts the new process and hands over to it; its number when it serves. `handed_over` is called before it hears that
/// it is the only one.
///
/// # Errors
///
/// Why it did not come to that. Then the new process has ended, and nothing has changed.
pub async fn hand_over(
    process: &Arc<Process>,
    admin: &Arc<AdminDoor>,
    socket: &Path,
    new: &NewProcess,
    limit: Duration,
    handed_over: impl FnOnce(Successor) + Send + 'static,
) -> Result<u32, String> {
    let deadline = Instant::now() + limit;
    let listening = HandOverSocket::bind(socket)?;
    let _starting = process.starting.one_more();
    let mut child = start(new, socket)?;
    let done = {
        let met = meet(
            process,
            admin,
            &listening,
            &mut child,
            deadline,
            handed_over,
        );
        let mut met = std::pin::pin!(met);
        tokio::select! {
            done = &mut met => done,
            () = process.stopping() => match process.is_succeeded() {
                true => met.await,
                false => Err(STOPPING.to_owned()),
            },
        }
    };
    match done {
        Ok(pid) => Ok(pid),
        Err(reason) => {
            // Of one that would not end by itself there is nothing to hear.
            let patience = match Instant::now() >= deadline || process.is_stopping() {
                true => Duration::ZERO,
                false => LAST_WORDS,
            };
            Err(end(child, reason, patience).await)
        }
    }
}

/// Why an upgrade does not come to its end in a process that does.
pub const STOPPING: &str = "the process is stopping";

/// The socket at which the new process is waited for; its file goes with it.
struct HandOverSocket {
    listener: tokio::net::UnixListener,
    path: PathBuf,
}

impl HandOverSocket {
    fn bind(path: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if let Ok(other) = UnixStream::connect(path) {
                    let peer = Link::new(other).peer();
                    let who = peer.map_or_else(|_| String::new(), |peer| format!(" {}", peer.pid));
                    return Err(format!(
                        "the hand-over socket {} is in use by process{who}",
                        path.display()
                    ));
                }
                // Left behind by a process that is gone.
                fs::remove_file(path).map_err(failed)?;
                UnixListener::bind(path).map_err(failed)?
            }
            listener => listener.map_err(failed)?,
        };
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            listener: tokio::net::UnixListener::from_std(listener).map_err(failed)?,
            path: path.to_owned(),
        })
    }
}

impl Drop for HandOverSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            log::debug!("{}: {error}", self.path.display());
        }
    }
}

fn start(new: &NewProcess, socket: &Path) -> Result<Child, String> {
    Command::new(&new.binary)
        .arg("run")
        .arg("--config")
        .arg(&new.config)
        .arg("--take-over")
        .arg(socket)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", new.binary.display()))
}

/// From the new process's first word to its serving.
async fn meet(
    process: &Arc<Process>,
    admin: &Arc<AdminDoor>,
    listening: &HandOverSocket,
    child: &mut Child,
    deadline: Instant,
    handed_over: impl FnOnce(Successor) + Send + 'static,
) -> Result<u32, String> {
    let late = "the new process took too long";
    let stream = tokio::select! {
        accepted = listening.listener.accept() => accepted.map_err(|error| error.to_string())?.0,
        _ = child.wait() => return Err("the new process ended before it asked for the sockets".to_owned()),
        () = tokio::time::sleep_until(deadline.into()) => return Err(late.to_owned()),
    };
    let stream = stream.into_std().and_then(|stream| {
        stream.set_nonblocking(false)?;
        Ok(stream)
    });
    let link = Link::new(stream.map_err(|error| error.to_string())?);
    let peer = link.peer().map_err(|error| error.to_string())?;
    if peer.user != own_user() {
        return Err(format!(
            "process {} of user {} wanted the sockets",
            peer.pid, peer.user
        ));
    }
    let (process, admin) = (Arc::clone(process), Arc::clone(admin));
    let talk = move || {
        let doors = talk(&link, &process, &admin, deadline)?;
        handed_over(Successor {
            pid: peer.pid,
            doors,
        });
        follow(link, process);
        Ok(peer.pid)
    };
    let talked = tokio::task::spawn_blocking(talk).await;
    let talked: Result<u32, io::Error> = talked.map_err(|error| error.to_string())?;
    talked.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => late.to_owned(),
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => "the new process ended before it was ready".to_owned(),
        _ => error.to_string(),
    })
}

/// The conversation; the keys of the doors that the new process has.
fn talk(
    link: &Link,
    process: &Process,
    admin: &AdminDoor,
    deadline: Instant,
) -> io::Result<HashSet<String>> {
    let deadline = Some(deadline);
    match link.receive(deadline)?.0 {
        FromNew::Hello { version } => log::info!("upgrade: version {version} asks for the sockets"),
        other => return Err(out_of_turn(other)),
    }
    let mut sockets = Vec::new();
    for door in process.doors().open() {
        let of = SocketOf {
            door: door.key().to_owned(),
            address: door.address.to_string(),
        };
        sockets.extend(
            door.sockets()?
                .into_iter()
                .map(|socket| (of.clone(), socket)),
        );
    }
    sockets.extend(admin.socket()?);
    for batch in sockets.chunks(MOST_DESCRIPTORS) {
        let message = FromOld::Sockets {
            sockets: batch.iter().map(|(of, _)| of.clone()).collect(),
        };
        let descriptors: Vec<_> = batch.iter().map(|(_, socket)| socket.as_fd()).collect();
        link.send(&message, &descriptors, deadline)?;
    }
    drop(sockets);
    link.send(&FromOld::Memory(Box::new(memory(process))), &[], deadline)?;
    let doors = match link.receive(deadline)?.0 {
        FromNew::Ready { doors } => doors,
        other => return Err(out_of_turn(other)),
    };
    if process.is_stopping() {
        return Err(io::Error::other(STOPPING));
    }
    link.send(&FromOld::Go, &[], deadline)?;
    match link.receive(deadline)?.0 {
        FromNew::Serving => Ok(doors.into_iter().collect()),
        other => Err(out_of_turn(other)),
    }
}

fn out_of_turn(message: FromNew) -> io::Error {
    match message {
        FromNew::Failed { reason } => io::Error::other(reason),
        other => io::Error::other(format!(
            "the new process said something unexpected: {other:?}"
        )),
    }
}

fn memory(process: &Process) -> Memory {
    let state = &process.state;
    let tickets = state.tls_sessions.held().into_iter();
    Memory {
        generation: process.snapshot.load().generation,
        drained: process.readiness.is_drained(),
        names: state.names.known(),
        tickets: tickets
            .filter_map(|(listener, sessions)| Some((listener.to_string(), sessions.export()?)))
            .collect(),
    }
}

/// Tells the successor how many connections are left, until this process ends or the successor does.
fn follow(link: Link, process: Arc<Process>) {
    let tell = move || {
        loop {
            let connections = process.live.count();
            if link
                .send(&FromOld::Draining { connections }, &[], None)
                .is_err()
            {
                return;
            }
            std::thread::sleep(TELL_EVERY);
        }
    };
    if let Err(error) = std::thread::Builder::new()
        .name("successor".to_owned())
        .spawn(tell)
    {
        log::warn!("the new process can't be told of the rest: {error}");
    }
}

/// Ends a new process that did not make it, and adds its exit code to the reason.
async fn end(mut child: Child, reason: String, patience: Duration) -> String {
    if let Ok(Ok(status)) = tokio::time::timeout(patience, child.wait()).await {
        return format!("{reason} ({status})");
    }
    if let Err(error) = child.kill().await {
        log::warn!("the new process can't be ended: {error}");
    }
    format!("{reason}; it was ended")
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}
