//! What is to be known about an endpoint that is checked, and what becomes of a result?

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Checked;
use crate::pool::health::check::Failure;
use crate::pool::health::verdict::{Change, Initial};
use crate::pool::{Endpoint, EndpointState};
use crate::telemetry::metrics::CheckMetrics;
use crate::upstream::probe::Probe;

/// An endpoint that is checked.
pub(super) struct Asked {
    pool: Arc<str>,
    name: Arc<str>,
    probe: Arc<Probe>,
    state: Arc<EndpointState>,
    metrics: CheckMetrics,
    /// Checks that have ended.
    checks: u64,
    /// Who wants to hear of the next check that begins.
    waiting: Vec<mpsc::UnboundedSender<Checked>>,
    /// Who wants to hear of the one that runs.
    listening: Vec<mpsc::UnboundedSender<Checked>>,
}

impl Asked {
    pub(super) fn new(
        pool: &Arc<str>,
        endpoint: &Endpoint,
        probe: Probe,
        metrics: CheckMetrics,
    ) -> Self {
        Self {
            pool: Arc::clone(pool),
            name: Arc::clone(&endpoint.name),
            probe: Arc::new(probe),
            state: Arc::clone(&endpoint.state),
            metrics,
            checks: 0,
            waiting: Vec::new(),
            listening: Vec::new(),
        }
    }

    /// What it is as long as nothing is known.
    pub(super) fn initial(&self) -> Initial {
        self.probe.check().verdict.initial
    }

    /// Whether its checks have decided about it.
    pub(super) fn is_known(&self) -> bool {
        self.state.verdict.known().is_some()
    }

    fn is_healthy(&self) -> bool {
        let trusted = self.initial() == Initial::Healthy;
        self.state.verdict.is_healthy(trusted)
    }

    /// Takes another generation's check, and returns whether it has another rhythm.
    pub(super) fn ask_from_now_on(&mut self, probe: Probe) -> bool {
        let another = self.probe.check().rhythm != probe.check().rhythm;
        self.probe = Arc::new(probe);
        another
    }

    /// Whether this probe asks what it is to be asked.
    pub(super) fn asks_the_same(&self, probe: &Probe) -> bool {
        self.probe.check().fingerprint == probe.check().fingerprint
    }

    /// Begins a check.
    pub(super) fn begin(&mut self) -> Arc<Probe> {
        self.listening.append(&mut self.waiting);
        self.listening.retain(|results| !results.is_closed());
        Arc::clone(&self.probe)
    }

    /// Who wants to hear of the check that has run is to hear of the next.
    pub(super) fn put_off(&mut self) {
        self.waiting.append(&mut self.listening);
    }

    /// From the beginning of the last check to that of the next.
    pub(super) fn until_next(&self) -> Duration {
        let (rhythm, healthy) = (&self.probe.check().rhythm, self.is_healthy());
        match self.checks {
            1 => rhythm.second(healthy, fastrand::f64()),
            _ => rhythm.next(healthy, fastrand::f64()),
        }
    }

    /// Sends the result of the next check that begins.
    pub(super) fn tell(&mut self, results: mpsc::UnboundedSender<Checked>) {
        // Who has gone does not come back: a check that takes long must not gather them.
        self.waiting.retain(|results| !results.is_closed());
        self.waiting.push(results);
    }

    /// Shows in its metric whether it may be used.
    pub(super) fn show(&self) {
        self.metrics.healthy.set(self.is_healthy().into());
    }

    /// Learns from a check, and says what it has changed.
    pub(super) fn learn(&mut self, result: &Result<(), Failure>, now: Instant) {
        self.checks += 1;
        let (pool, name) = (&self.pool, &self.name);
        match result {
            Ok(()) => self.metrics.passed.inc(),
            Err(failure) => {
                self.metrics.failed.inc();
                log::debug!("pool {pool}: endpoint {name}: a health check failed: {failure}");
            }
        }
        let params = &self.probe.check().verdict;
        match self.state.verdict.learn(result, params, now) {
            Some(Change::Rose) => {
                self.state.rises(now);
                self.metrics.rose.inc();
                log::info!("pool {pool}: endpoint {name} is healthy");
            }
            Some(Change::Fell) => {
                self.metrics.fell.inc();
                let why = result.as_ref().err().map(ToString::to_string);
                let why = why.unwrap_or_default();
                log::warn!("pool {pool}: endpoint {name} is unhealthy: {why}");
            }
            None => {}
        }
        self.show();
        for results in self.listening.drain(..) {
            // Who asked may not have waited.
            let _ = results.send(Checked {
                endpoint: name.to_string(),
                passed: result.is_ok(),
                cause: result.as_ref().err().map(ToString::to_string),
                healthy: self
                    .state
                    .verdict
                    .is_healthy(params.initial == Initial::Healthy),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::checks::tests::process;

    #[test]
    fn orders_of_who_has_gone_are_forgotten() {
        let process = process(
            "listeners: [{ name: web, address: '127.0.0.1:0' }]\n\
             routes: [{ name: all, pool: p }]\n\
             pools: [{ name: p, endpoints: ['127.0.0.1:1'], health: { path: / } }]\n",
        );
        let snapshot = process.snapshot.load();
        let pool = &snapshot.pools[0];
        let endpoint = &pool.members().endpoints[0];
        let probe = Probe::new(pool.check.as_ref().expect("a check"), endpoint);
        let metrics = process.state.metrics.check(&pool.name, &endpoint.name);
        let mut asked = Asked::new(&pool.name, endpoint, probe, metrics);
        let (sender, mut stays) = mpsc::unbounded_channel();
        asked.tell(sender);
        for _ in 0..1_000 {
            asked.tell(mpsc::unbounded_channel().0);
            assert!(asked.waiting.len() <= 2);
        }
        for _ in 0..1_000 {
            // A check that comes to no end, such as one for another generation's question.
            asked.tell(mpsc::unbounded_channel().0);
            asked.begin();
            assert_eq!((asked.waiting.len(), asked.listening.len()), (0, 1));
        }
        asked.learn(&Ok(()), Instant::now());
        assert!(stays.try_recv().expect("a result").passed);
    }
}
