//! How long do requests take that come at a steady pace, while something happens beside them and while nothing does?

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Connections that requests come on.
pub const CLIENTS: usize = 8;

/// How often each of them asks. Slow enough that the proxy is never the bottleneck: queueing is not what is looked for.
const PACE: Duration = Duration::from_millis(4);

/// What happens while a request is under way.
#[derive(Clone, Copy)]
pub enum Phase {
    /// What is between the two others, and not looked at.
    Between,
    /// Nothing.
    Without,
    /// What is measured.
    With,
}

/// Clients that ask until they are stopped.
pub struct Paced {
    times: Arc<Times>,
    clients: Vec<JoinHandle<()>>,
}

/// How long requests took, by phase.
struct Times {
    phase: AtomicUsize,
    over: AtomicBool,
    taken: Mutex<[Vec<Duration>; 3]>,
}

impl Paced {
    /// Starts them; `wants` gives the host and the path that each asks for.
    pub fn start(address: SocketAddr, wants: impl Fn(usize) -> (String, String)) -> Self {
        let times = Arc::new(Times {
            phase: AtomicUsize::new(Phase::Between as usize),
            over: AtomicBool::new(false),
            taken: Mutex::default(),
        });
        let clients = (0..CLIENTS).map(|number| {
            let ((host, path), times) = (wants(number), Arc::clone(&times));
            tokio::spawn(async move { ask(address, &host, &path, &times).await })
        });
        Self {
            clients: clients.collect(),
            times,
        }
    }

    /// Counts what is asked from now on to this phase.
    pub fn phase(&self, phase: Phase) {
        self.times.phase.store(phase as usize, Ordering::Relaxed);
    }

    /// Stops them; how long requests took in each phase, sorted. Panics if one was not answered.
    pub async fn stop(self) -> [Vec<Duration>; 3] {
        self.times.over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("every request is answered");
        }
        let mut taken = std::mem::take(&mut *self.times.taken.lock().expect("no panic inside"));
        for phase in &mut taken {
            phase.sort();
        }
        taken
    }
}

/// What so many percent of these did not exceed.
pub fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// A connection for requests without a body.
pub async fn connect(address: SocketAddr) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("connected");
    stream.set_nodelay(true).expect("a TCP socket");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    sender
}

/// Asks at its pace; a late answer counts from when it should have been asked for.
async fn ask(address: SocketAddr, host: &str, path: &str, times: &Times) {
    let mut sender = connect(address).await;
    let mut due = Instant::now();
    while !times.over.load(Ordering::Relaxed) {
        due += PACE;
        tokio::time::sleep_until(due.into()).await;
        let phase = times.phase.load(Ordering::Relaxed);
        let request = Request::builder()
            .uri(path)
            .header("host", host)
            .body(Empty::new())
            .expect("a request");
        sender.ready().await.expect("a connection");
        let response = sender.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.expect("a whole body");
        // From when it was due: a pause delays all that were due in it.
        let taken = due.elapsed();
        times.taken.lock().expect("no panic inside")[phase].push(taken);
    }
}
