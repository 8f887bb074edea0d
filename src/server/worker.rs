//! What does one worker thread do? It accepts on its own socket of every door and keeps every connection to itself: its
//! clients', and the idle ones to endpoints. Nothing of a request crosses to another thread.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora_timeout::fast_timeout::fast_timeout;
use rustc_hash::FxHashSet;
use tokio::sync::{mpsc, watch};

use crate::admission::connections::Permit;
use crate::proxy::Gate;
use crate::server::connection::http1::{self, Ended};
use crate::server::connection::http2;
use crate::server::connection::open::{Opened, open};
use crate::server::descriptors;
use crate::server::door::accepted::{Accepted, Arrival};
use crate::server::door::listen::{Acceptor, ListeningSocket};
use crate::server::door::live::{Alive, Live};
use crate::server::door::shortage::{Paused, Shortage};
use crate::server::door::stay::{LAST_CALL, Stay};
use crate::server::door::{Door, Queue, admit};
use crate::server::leave::Leave;
use crate::server::watchdog::Beat;
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::{OpenConnection, RefusedReason};
use crate::upstream::PeerId;
use crate::upstream::idle::IdlePool;

/// How long an accept loop rests before it looks again whether there are descriptors.
const REST: Duration = Duration::from_millis(50);

/// What a worker is told to do.
pub enum Task {
    /// Accept on this socket of the door, until the door closes.
    Accept(Arc<Door>, ListeningSocket, Alive),
    /// Close idle connections to everyone but these.
    KeepEndpoints(Arc<FxHashSet<PeerId>>),
    /// Say that the thread works.
    Answer(Beat),
    /// End, as soon as the other workers do nothing any more either.
    Leave(Leave),
}

/// What the connections of one thread share.
pub struct Worker {
    /// Pingora's proxy with our hooks.
    pub proxy: Arc<HttpProxy<Gate>>,
    /// What Pingora wants to know about the end of the process: nothing, for connections hear of it by their own word.
    pub never: watch::Receiver<bool>,
    number: usize,
    snapshot: Arc<ArcSwap<Snapshot>>,
    idle: Arc<IdlePool>,
    live: Arc<Live>,
    shortage: Arc<Shortage>,
    /// How many the process may have.
    descriptors: u64,
}

impl Worker {
    /// A worker of its own pool of connections.
    pub fn new(
        number: usize,
        conf: &Arc<ServerConf>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        live: Arc<Live>,
        shortage: Arc<Shortage>,
    ) -> Self {
        let idle = Arc::new(IdlePool::default());
        let gate = Gate::new(Arc::clone(&snapshot), Arc::clone(&idle));
        Self {
            proxy: Arc::new(http_proxy(conf, gate)),
            never: watch::channel(false).1,
            number,
            snapshot,
            idle,
            live,
            shortage,
            descriptors: descriptors::limit(),
        }
    }

    /// The generation of now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Does what it is told until it is told to leave; `None` if nobody is there to say so.
    pub async fn run(self: Arc<Self>, mut tasks: mpsc::UnboundedReceiver<Task>) -> Option<Leave> {
        let mut tick = tokio::time::interval(IdlePool::SWEEP_EVERY);
        loop {
            let task = tokio::select! {
                _ = tick.tick() => {
                    self.idle.sweep(Instant::now());
                    continue;
                }
                task = tasks.recv() => task,
            };
            match task {
                Some(Task::Accept(door, socket, accepting)) => {
                    let worker = Arc::clone(&self);
                    tokio::spawn(async move {
                        let _accepting = accepting;
                        if let Err(error) = worker.accept(&door, socket).await {
                            log::error!("listener {}: {error}", door.listener().name);
                        }
                    });
                }
                Some(Task::KeepEndpoints(known)) => self.idle.keep_only(&known),
                Some(Task::Answer(beat)) => beat.answer(),
                Some(Task::Leave(leave)) => return Some(leave),
                None => return None,
            }
        }
    }

    async fn accept(self: Arc<Self>, door: &Arc<Door>, socket: ListeningSocket) -> io::Result<()> {
        let acceptor = Acceptor::new(socket)?;
        let queue = {
            let mut closed = std::pin::pin!(door.closed());
            // While hardly a descriptor is left: who is connected goes on, who waits is taken when there is room.
            let mut paused = None::<Paused>;
            loop {
                let accepted = tokio::select! {
                    biased;
                    queue = &mut closed => break queue,
                    () = tokio::time::sleep(REST), if paused.is_some() => {
                        if descriptors::has_room(&acceptor, descriptors::limit()) {
                            paused = None;
                        }
                        continue;
                    }
                    accepted = acceptor.accept(), if paused.is_none() => accepted,
                };
                match accepted {
                    Ok(accepted) => {
                        let is_last = descriptors::is_last(accepted.fd(), self.descriptors);
                        self.take_in(door, accepted);
                        if is_last && !descriptors::has_room(&acceptor, descriptors::limit()) {
                            paused = Some(self.pause(door, None));
                        }
                    }
                    // That client has gone already.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => paused = Some(self.pause(door, Some(&error))),
                }
            }
        };
        if let Queue::Take { handshakes } = queue {
            let take = |accepted| self.take_in(door, accepted);
            acceptor.close(handshakes, take).await;
        }
        Ok(())
    }

    fn pause(&self, door: &Door, error: Option<&io::Error>) -> Paused {
        let listener = door.listener_now();
        self.snapshot.load().metrics.accept_pauses.inc();
        self.shortage.begin(&listener.name, error)
    }

    fn take_in(self: &Arc<Self>, door: &Arc<Door>, accepted: Accepted) {
        let permit = {
            let listener = door.listener_now();
            listener.metrics.accepted.inc();
            let peer = accepted.peer();
            match admit::at_accept(&self.snapshot.load(), &listener, peer) {
                Ok(permit) => permit,
                Err(reason) => {
                    admit::refused(&listener, reason, peer);
                    return accepted.refuse();
                }
            }
        };
        let Some(arrival) = accepted.take_in() else {
            return;
        };
        // Counted before it is spawned: the process must not end while one waits for its first turn.
        let live = self.live.one_more();
        let stay = door.welcome(self.number);
        tokio::spawn(connection(
            Arc::clone(self),
            live,
            Arc::clone(door),
            stay,
            permit,
            arrival,
        ));
    }
}

/// One connection, from accept to close.
async fn connection(
    worker: Arc<Worker>,
    _live: Alive,
    door: Arc<Door>,
    stay: Stay,
    mut permit: Permit,
    arrival: Arrival,
) {
    let listener = door.listener();
    let metrics = listener.metrics.clone();
    let limit = listener.timeouts.handshake;
    drop(listener);
    let open_connection = OpenConnection::new(metrics);
    let metrics = &open_connection.metrics;
    // Boxed, as everything that is over before the connection is idle: an idle connection holds this future for long.
    let opening = Box::pin(open(
        door,
        stay.clone(),
        arrival,
        &worker.snapshot,
        &mut permit,
    ));
    let opened = tokio::select! {
        biased;
        opened = fast_timeout(limit, opening) => opened,
        // Nothing was asked yet, so nothing is lost.
        () = stay.overdue(LAST_CALL, None) => return,
    };
    let opened = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(reason)) => return metrics.refused(reason),
        Err(_) => return metrics.refused(RefusedReason::Timeout),
    };
    // The one that its requests see is enough.
    drop(stay);
    let Opened {
        connection,
        http2,
        about,
    } = opened;
    if http2 {
        return Box::pin(http2::serve(connection, &about, &worker, metrics)).await;
    }
    if let Ended::Http2(connection) = http1::serve(connection, &about, &worker, metrics).await {
        Box::pin(http2::serve(connection, &about, &worker, metrics)).await;
    }
}
