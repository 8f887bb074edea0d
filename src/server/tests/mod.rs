//! What does a whole worker do, in this process, with an app server behind it?

mod panics;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use origin::Origin;
use pingora::server::configuration::ServerConf;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::config::{Diagnostics, load};
use crate::pool::{Address, Pool};
use crate::server::door::Door;
use crate::server::door::bind::bind;
use crate::server::reload::prepare::prepare_loaded;
use crate::server::run::new_state;
use crate::server::worker::{Task, Worker};
use crate::snapshot::Snapshot;
use crate::telemetry::access_log::{
    AccessLog, Destination, Format, Layout, Mask, Sample, Settings,
};
use crate::upstream::system_roots;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A worker that serves one listener, and an app server.
struct Edge {
    address: SocketAddr,
    snapshot: Arc<Snapshot>,
    log: PathBuf,
    _origin: Origin,
    _directory: TempDir,
    _stop: UnboundedSender<Task>,
}

impl Edge {
    /// Serves `config`, in which `ORIGIN` is the app server's address.
    async fn start(config: &str) -> Self {
        let origin = Origin::builder().start().await.expect("a free port");
        let at = origin.address().expect("it listens on a port").to_string();
        let config = config.replace("ORIGIN", &at);
        let mut diagnostics = Diagnostics::default();
        let loaded = load::load_str("test", &config, &|_| None, &mut diagnostics);
        let state = new_state().expect("every metric is registered once");
        let prepared = prepare_loaded(loaded, diagnostics, &state);
        let Some(mut snapshot) = prepared.snapshot else {
            panic!("{}", prepared.diagnostics);
        };
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("access.log");
        let settings = Settings {
            destination: Destination::File(log.clone()),
            format: Format::Json(Layout::default()),
            sample: Sample::ALL,
            mask: Mask::default(),
            queue_bytes: 64 * 1024,
        };
        let opened = AccessLog::open(&settings, state.metrics.access_log.clone());
        snapshot.access_log = Some(Arc::new(opened.expect("a file")));
        let snapshot = Arc::new(snapshot);
        let (address, stop) = serve(&snapshot);
        Self {
            address,
            snapshot,
            log,
            _origin: origin,
            _directory: directory,
            _stop: stop,
        }
    }

    fn pool(&self, name: &str) -> &Arc<Pool> {
        let pools = self.snapshot.pools.iter();
        pools
            .into_iter()
            .find(|pool| &*pool.name == name)
            .expect("it is configured")
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it accepts")
    }

    /// The sum of the metric's series whose text contains `labels`.
    fn metric(&self, name: &str, labels: &str) -> f64 {
        let mut text = Vec::new();
        self.snapshot.metrics.render(&mut text);
        let text = String::from_utf8(text).expect("the text format is UTF-8");
        let series = text.lines().filter_map(|line| line.rsplit_once(' '));
        series
            .filter(|(series, _)| series.split('{').next() == Some(name) && series.contains(labels))
            .map(|(_, value)| value.parse::<f64>().expect("a number"))
            .sum()
    }

    /// Waits until the metric is `value`.
    async fn until(&self, name: &str, labels: &str, value: f64) {
        let reached = async {
            while self.metric(name, labels) != value {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, reached).await;
        let now = self.metric(name, labels);
        assert!(waited.is_ok(), "{name}{{{labels}}} is {now}, not {value}");
    }

    /// The lines of the access log.
    fn lines(&self) -> Vec<serde_json::Value> {
        let log = self.snapshot.access_log.as_ref().expect("it has one");
        assert!(log.flush(PATIENCE));
        let text = std::fs::read_to_string(&self.log).expect("it is there");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

/// Runs a worker on the first listener; it ends with what comes back.
fn serve(snapshot: &Arc<Snapshot>) -> (SocketAddr, UnboundedSender<Task>) {
    let conf = ServerConf {
        ca_file: system_roots::ca_file(),
        ..ServerConf::default()
    };
    let listener = &snapshot.listeners[0];
    let bound = bind(&listener.address, 1, &[]).expect("a free port");
    let Address::Inet(address) = bound.address else {
        panic!("no address: {}", bound.address);
    };
    let door = Arc::new(Door::new(listener, bound, 1));
    let current = Arc::new(ArcSwap::from(Arc::clone(snapshot)));
    let worker = Worker::new(0, &Arc::new(conf), current, Arc::default(), Arc::default());
    let (tell, told) = unbounded_channel();
    for (_, task) in door.tasks().expect("descriptors") {
        tell.send(task).expect("a worker");
    }
    tokio::spawn(Arc::new(worker).run(told));
    (address, tell)
}

/// Sends `request` and reads until `end` has come, or until the connection is closed if `end` is empty.
async fn exchange(client: &mut TcpStream, request: &str, end: &str) -> String {
    let written = client.write_all(request.as_bytes()).await;
    written.expect("it takes the request");
    let mut heard = Vec::new();
    let reading = async {
        while end.is_empty() || !String::from_utf8_lossy(&heard).contains(end) {
            if client.read_buf(&mut heard).await.expect("no reset") == 0 {
                break;
            }
        }
    };
    let read = tokio::time::timeout(PATIENCE, reading).await;
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(read.is_ok(), "only {heard:?}");
    heard
}
