//! How does an old process hand over to a new one? Step by step, and until it has said `go` as if nothing had been. What
//! the new process does wrong between that and its serving costs the connections it has taken meanwhile; the old one then
//! serves on as well.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use super::link::{Link, MOST_DESCRIPTORS, Peer};
use super::message::{EndpointOf, FromNew, FromOld, Memory, SocketOf};
use crate::admin::AdminDoor;
use crate::pool::discovery::Resolved;
use crate::server::directory::own_user;
use crate::server::door::socket_file::{self, SocketFile};
use crate::server::process::{Process, Successor};
use crate::state::State;

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
/// Why it did not come to that. Then the new process has ended, and this one still has its doors.
pub async fn hand_over(
    process: &Arc<Process>,
    admin: &Arc<AdminDoor>,
    socket: &Path,
    new: &NewProcess,
    limit: Duration,
    handed_over: impl FnOnce(&Successor) + Send + 'static,
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
            // One that was let take over may have clients by now.
            () = process.stopping() => match process.has_heir() {
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
    _file: SocketFile,
}

impl HandOverSocket {
    fn bind(path: &Path) -> Result<Self, String> {
        let bound = socket_file::bind(path).and_then(|(listener, file)| {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            Ok(Self {
                listener,
                _file: file,
            })
        });
        bound.map_err(|error| format!("the hand-over socket {}: {error}", path.display()))
    }

    /// The next who comes, and acts as the same user.
    async fn accept(&self) -> io::Result<(Link, Peer)> {
        loop {
            let stream = self.listener.accept().await?.0.into_std()?;
            stream.set_nonblocking(false)?;
            let link = Link::new(stream);
            let peer = link.peer()?;
            if peer.user == own_user() {
                return Ok((link, peer));
            }
            log::warn!(
                "upgrade: process {} of user {} was refused",
                peer.pid,
                peer.user
            );
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
        // Sockets that were passed to this process, and which the new one gets with the others.
        .env_remove("LISTEN_PID")
        .env_remove("LISTEN_FDS")
        .env_remove("LISTEN_FDNAMES")
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
    handed_over: impl FnOnce(&Successor) + Send + 'static,
) -> Result<u32, String> {
    let mut greeted = std::pin::pin!(greeting(listening, deadline));
    let greeted = tokio::select! {
        greeted = &mut greeted => greeted,
        // What it has said counts, although it has ended since.
        _ = child.wait() => match tokio::time::timeout_at(deadline.min(Instant::now() + HEARD).into(), greeted).await {
            Ok(greeted) => greeted,
            Err(_) => return Err("the new process ended before it asked for the sockets".to_owned()),
        },
        () = tokio::time::sleep_until(deadline.into()) => return Err(LATE.to_owned()),
    };
    let (link, peer) = greeted.map_err(|error| told(&error))?;
    let (process, admin) = (Arc::clone(process), Arc::clone(admin));
    let talk = move || {
        talk(&link, &process, &admin, deadline).inspect_err(|_| process.takes_back())?;
        let successor = Successor { pid: peer.pid };
        handed_over(&successor);
        // Before this process may end: without it the new one would take the end for a change of mind.
        tell_rest(&link, &process).inspect_err(|_| process.takes_back())?;
        process.succeeded_by(successor);
        // Whoever hears that the upgrade is done and asks for something is to meet the new process.
        match link.receive(Instant::now().checked_add(SETTLING)) {
            Ok((FromNew::Settled, _)) => {}
            Ok((other, _)) => log::warn!("upgrade: {}", out_of_turn(other)),
            Err(error) => log::warn!("upgrade: the new process has not settled yet: {error}"),
        }
        follow(link, process);
        Ok(peer.pid)
    };
    let talked = tokio::task::spawn_blocking(talk).await;
    let talked: io::Result<u32> = talked.map_err(|error| error.to_string())?;
    talked.map_err(|error| told(&error))
}

/// How long it may take to hear what a process has said that has ended since.
const HEARD: Duration = Duration::from_millis(500);

const LATE: &str = "the new process took too long";

fn told(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => LATE.to_owned(),
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => "the new process ended before it was ready".to_owned(),
        _ => error.to_string(),
    }
}

/// The first who says hello. Others may come by: whoever wants to know whether the socket is in use connects and leaves.
async fn greeting(listening: &HandOverSocket, deadline: Instant) -> io::Result<(Link, Peer)> {
    loop {
        let (link, peer) = listening.accept().await?;
        let deadline = deadline.min(Instant::now() + GREETING);
        let greet = move || {
            let said = link.receive::<FromNew>(Some(deadline))?.0;
            Ok::<_, io::Error>((said, link))
        };
        match tokio::task::spawn_blocking(greet).await? {
            Ok((FromNew::Hello { version }, link)) => {
                log::info!("upgrade: version {version} asks for the sockets");
                return Ok((link, peer));
            }
            Ok((other, _)) => return Err(out_of_turn(other)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::TimedOut
                ) =>
            {
                log::info!("upgrade: process {} came and said nothing", peer.pid);
            }
            Err(error) => return Err(error),
        }
    }
}

/// How long who connects may take to say hello.
const GREETING: Duration = Duration::from_secs(2);

/// How long the new process may take to put its control socket and PID file in their place.
const SETTLING: Duration = Duration::from_secs(2);

/// How long the new process may take to serve once it may.
const LAST_STEP: Duration = Duration::from_secs(10);

/// The conversation, until the new process serves.
fn talk(link: &Link, process: &Process, admin: &AdminDoor, deadline: Instant) -> io::Result<()> {
    let deadline = Some(deadline);
    let mut sockets = Vec::new();
    for door in process.doors().open() {
        let of = SocketOf {
            door: door.key().to_owned(),
            address: door.address.to_string(),
            passed: door.passed,
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
    if !process.hands_over(doors.into_iter().collect()) {
        return Err(io::Error::other(STOPPING));
    }
    link.send(&FromOld::Go, &[], deadline)?;
    match link.receive(Instant::now().checked_add(LAST_STEP))?.0 {
        FromNew::Serving => Ok(()),
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
    let Resolved { hosts, services } = state.names.known();
    Memory {
        generation: process.snapshot.load().generation,
        drained: process.readiness.is_drained(),
        names: hosts,
        services,
        verdicts: verdicts(state),
        tickets: tickets
            .filter_map(|(listener, sessions)| Some((listener.to_string(), sessions.export()?)))
            .collect(),
        drained_endpoints: drained_endpoints(state),
        sticky: state.sticky.known(),
    }
}

fn drained_endpoints(state: &State) -> Vec<EndpointOf> {
    let held = state.endpoints.held().into_iter();
    let drained = held.filter(|(_, endpoint)| endpoint.is_drained());
    drained
        .map(|(key, _)| EndpointOf {
            pool: key.pool.to_string(),
            address: key.address.to_string(),
        })
        .collect()
}

/// What health checks have decided.
fn verdicts(state: &State) -> BTreeMap<String, BTreeMap<String, bool>> {
    let mut verdicts = BTreeMap::<String, BTreeMap<String, bool>>::new();
    for (key, endpoint) in state.endpoints.held() {
        if let Some(healthy) = endpoint.verdict.known() {
            let pool = verdicts.entry(key.pool.to_string()).or_default();
            pool.insert(key.address.to_string(), healthy);
        }
    }
    verdicts
}

fn tell_rest(link: &Link, process: &Process) -> io::Result<()> {
    let former = process.state.metrics.predecessor_connections.get();
    let connections = process.live.count() + usize::try_from(former).unwrap_or_default();
    link.send(&FromOld::Leaving { connections }, &[], None)
}

/// Tells the successor how many connections are left, and does what it says, until either ends.
fn follow(link: Link, process: Arc<Process>) {
    let tell = move || {
        loop {
            match link.receive(Instant::now().checked_add(TELL_EVERY)) {
                Ok((FromNew::Reopen, _)) => process.reopen_logs("the new process"),
                Ok((FromNew::Stop, _)) => process.stop(),
                // Later than it was waited for.
                Ok((FromNew::Settled, _)) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                _ => return,
            }
            if tell_rest(&link, &process).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("successor".to_owned());
    if let Err(error) = thread.spawn(tell) {
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
