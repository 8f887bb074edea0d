//! How does a test get a pool as a configuration makes it, and step its clock?

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::{Ending, Endpoint, Lease, NoEndpoint, Pool, Tried, Wanted};
use crate::config::load::load_str;
use crate::config::{Config, Diagnostics};
use crate::error::Reason;
use crate::snapshot;
use crate::state::State;
use crate::telemetry::Metrics;

/// A pool, what outlives its generation, and a clock.
pub(crate) struct Stage {
    pub state: State,
    pub pool: Arc<Pool>,
    pub now: Instant,
}

pub(super) const OK: Ending = Ending::Answered(200);
pub(super) const RESET: Ending = Ending::Failed(Reason::UpstreamReset);
pub(super) const GONE: Ending = Ending::Failed(Reason::ClientGone);

impl Stage {
    /// A pool `p` of so many endpoints, of weight 1 and in turn, with these settings in YAML's flow style.
    pub fn new(endpoints: usize, settings: &str) -> Self {
        Self::of(&plain(endpoints), settings)
    }

    /// The same, and one backup after the others.
    pub fn with_backup(endpoints: usize, settings: &str) -> Self {
        let mut written = plain(endpoints);
        written.push(format!(
            "{{ address: '127.0.0.1:{}', backup: true }}",
            1000 + endpoints
        ));
        Self::of(&written, settings)
    }

    /// A pool of these endpoints, each in YAML's flow style.
    pub fn of(endpoints: &[String], settings: &str) -> Self {
        let metrics = Metrics::new().expect("metrics that fit together");
        let state = State::new(Arc::new(metrics));
        let pool = compile(&state, endpoints, settings);
        Self {
            state,
            pool,
            now: Instant::now(),
        }
    }

    /// Puts other settings into force. The former pool is given back, as a request has it that is under way.
    pub fn reload(&mut self, endpoints: usize, settings: &str) -> Arc<Pool> {
        self.reload_to(&plain(endpoints), settings)
    }

    /// The same, with these endpoints.
    pub fn reload_to(&mut self, endpoints: &[String], settings: &str) -> Arc<Pool> {
        let next = compile(&self.state, endpoints, settings);
        std::mem::replace(&mut self.pool, next)
    }

    pub fn endpoint(&self, index: usize) -> Arc<Endpoint> {
        Arc::clone(&self.pool.members().endpoints[index])
    }

    pub fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    pub fn lease(&self) -> Result<Lease, NoEndpoint> {
        self.pool
            .try_lease(&Wanted::new(&Tried::default()), self.now)
    }

    /// A lease of one endpoint, past the balancer.
    pub fn lease_of(&self, index: usize) -> Option<Lease> {
        // As a request would have done before.
        self.pool.state.chooses_among(self.pool.members().choices());
        Lease::take(&self.endpoint(index), u32::MAX, self.now)
    }

    /// Ends a request to one endpoint, at once.
    pub fn ends(&self, index: usize, ending: Ending) {
        let mut lease = self.lease_of(index).expect("it is let through");
        lease.settle(ending, self.now);
    }

    /// Which endpoints get a request now, by the last digit of their ports.
    pub fn chosen(&self) -> String {
        let mut chosen: Vec<char> = (0..64)
            .filter_map(|_| self.lease().ok()?.endpoint().name.chars().last())
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen.into_iter().collect()
    }

    /// A line of the metrics.
    pub fn shows(&self, line: &str) {
        let mut text = Vec::new();
        self.state.metrics.render(&mut text);
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
}

fn plain(endpoints: usize) -> Vec<String> {
    let ports = 1000..1000 + endpoints;
    ports.map(|port| format!("'127.0.0.1:{port}'")).collect()
}

fn compile(state: &State, endpoints: &[String], settings: &str) -> Arc<Pool> {
    let text = format!(
        "listeners: [{{ name: http, address: '127.0.0.1:0' }}]\nroutes: [{{ name: all, pool: p }}]\n\
         pools: [{{ name: p, endpoints: [{}], {settings} }}]\n",
        endpoints.join(", ")
    );
    let mut diagnostics = Diagnostics::default();
    let loaded = load_str("test.yaml", &text, &|_| None, &mut diagnostics).expect("a document");
    let config = Config::read(&loaded.root, &mut diagnostics);
    let compiled = snapshot::compile(&config, state, &Default::default(), SystemTime::UNIX_EPOCH);
    let snapshot = compiled.snapshot.unwrap_or_else(|| {
        panic!("{diagnostics}{}", compiled.diagnostics);
    });
    Arc::clone(&snapshot.pools[0])
}
