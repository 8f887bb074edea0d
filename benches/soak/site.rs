//! What is in front of the clients: which configurations, and which endpoints behind them?

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use origin::Origin;
use rustls::RootCertStore;
use tokio::sync::Mutex;

use crate::support::{Authority, Portcullis, eventually, eventually_some, origin};

/// The name in the certificate.
pub const NAME: &str = "soak.test";

/// The limit of the limited route: so many a second, and as many at once.
pub const LIMIT: u64 = 10;

/// How long Portcullis keeps connections to endpoints that nobody uses.
const KEPT: Duration = Duration::from_secs(2);

/// Reasons for which requests may fail here: endpoints that were killed, limits, clients that left or sent what can't be read.
const EXPECTED: [&str; 6] = [
    "connect_refused",
    "upstream_reset",
    "rate_limited",
    "client_gone",
    "upstream_incomplete",
    "bad_request",
];

/// A Portcullis and what is behind it.
pub struct Site {
    pub portcullis: Portcullis,
    authority: Authority,
    /// They are never killed, but taken out by reloads.
    steady: [Origin; 3],
    /// They are killed.
    frail: Mutex<Vec<Option<Origin>>>,
    frail_at: Vec<SocketAddr>,
}

impl Site {
    pub async fn start() -> Self {
        let authority = Authority::new();
        let steady = [origin().await, origin().await, origin().await];
        let frail = vec![origin().await, origin().await, origin().await];
        let frail_at: Vec<_> = frail.iter().map(address).collect();
        let portcullis = Portcullis::builder(&yaml(0, &steady, &frail_at))
            .identity("soak", &authority.issue(&[NAME]))
            .start()
            .await;
        Self {
            portcullis,
            authority,
            steady,
            frail: Mutex::new(frail.into_iter().map(Some).collect()),
            frail_at,
        }
    }

    pub fn http(&self) -> SocketAddr {
        self.portcullis.listener("http")
    }

    pub fn https(&self) -> SocketAddr {
        self.portcullis.listener("https")
    }

    pub fn roots(&self) -> Arc<RootCertStore> {
        self.authority.roots()
    }

    /// Puts the configuration of this number in force.
    pub async fn apply(&self, number: u32) {
        let yaml = yaml(number, &self.steady, &self.frail_at);
        let said = self.portcullis.reload(&yaml).await;
        assert_eq!(said.code, 0, "{said:?}");
    }

    /// Tries one with a mistake in it.
    pub async fn rejected(&self, number: u32) {
        let yaml = yaml(number, &self.steady, &self.frail_at);
        let yaml = yaml.replacen("pool: frail", "pool: frial", 1);
        self.portcullis.rejected(&yaml).await;
    }

    /// How many endpoints may be killed.
    pub fn frail(&self) -> usize {
        self.frail_at.len()
    }

    /// Ends an endpoint with all its connections, in the middle of whatever they do.
    pub async fn kill(&self, number: usize) {
        let killed = self.frail.lock().await[number].take();
        killed.expect("one that runs").stop().await;
    }

    /// Starts it where it was.
    pub async fn start_again(&self, number: usize) {
        let at = self.frail_at[number].to_string();
        let mut started = Origin::builder().listen(&at).start().await.ok();
        while started.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            started = Origin::builder().listen(&at).start().await.ok();
        }
        self.frail.lock().await[number] = started;
    }

    /// Waits until no endpoint has a connection any more.
    pub async fn idle_connections_end(&self) {
        eventually("unused connections to endpoints are closed", async || {
            let frail = self.frail.lock().await;
            let mut all = self.steady.iter().chain(frail.iter().flatten());
            all.all(|origin| origin.journal().open_connections() == 0)
        })
        .await;
    }

    /// What Portcullis itself says that was wrong.
    pub async fn complaints(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.portcullis.metric("portcullis_panics_total").await > 0.0 {
            wrong.push("a request panicked".to_owned());
        }
        let failures = eventually_some("failures are told", async || {
            let metrics = crate::support::Raw::connect(self.portcullis.admin())
                .await
                .get("/metrics")
                .await;
            Some(metrics.text())
        })
        .await;
        for line in failures.lines() {
            let Some(labels) = line.strip_prefix("portcullis_failures_total{") else {
                continue;
            };
            let (labels, count) = labels.rsplit_once("} ").expect("a value");
            if count == "0" {
                continue;
            }
            println!("failures: {labels}: {count}");
            let is_expected = |reason| labels.contains(&format!("reason=\"{reason}\""));
            if !EXPECTED.into_iter().any(is_expected) {
                wrong.push(format!("{count} requests failed with {labels}"));
            }
        }
        wrong
    }
}

fn address(origin: &Origin) -> SocketAddr {
    origin.address().expect("an origin on TCP")
}

/// The configuration of this number: which steady endpoints there are, which routes beside the others, which balancer.
fn yaml(number: u32, steady: &[Origin; 3], frail: &[SocketAddr]) -> String {
    let kept = KEPT.as_secs();
    let [a, b, c] = steady.each_ref().map(address);
    let balancers = ["round_robin", "least_requests", "peak_ewma", "random"];
    let balancer = balancers[number as usize % balancers.len()];
    let endpoints = match number % 3 {
        0 => format!("\"{a}\", \"{b}\", \"{c}\""),
        1 => format!("\"{a}\", \"{c}\""),
        _ => format!("\"{b}\", \"{a}\""),
    };
    let frail: Vec<String> = frail.iter().map(|at| format!("\"{at}\"")).collect();
    let frail = frail.join(", ");
    let mut yaml = format!(
        r#"
runtime: {{threads: 2}}
access_log: {{format: json, path: /dev/null}}
cache: {{memory: 8MiB, disk: {{path: "@dir@/cache", size: 32MiB}}}}
listeners:
  - {{name: http, address: "127.0.0.1:0", limits: {{requests: 2000}}}}
  - name: https
    address: "127.0.0.1:0"
    limits: {{requests: 2000}}
    tls: {{certificates: [{{certificate: soak.crt, key: soak.key}}]}}
pools:
  - name: steady
    balancer: {balancer}
    keepalive: {{idle: {kept}s}}
    endpoints: [{endpoints}]
  - name: frail
    balancer: {balancer}
    keepalive: {{idle: {kept}s}}
    retries: {{limit: 3, on: [connect, reset], budget: {{percent: 50}}}}
    health: {{path: /, interval: 500ms, timeout: 400ms}}
    breaker: {{consecutive_failures: 5, open_for: 500ms}}
    endpoints: [{frail}]
routes:
  - {{name: frail, match: {{hosts: [frail.test]}}, pool: frail}}
  - name: cached
    match: {{hosts: [cached.test]}}
    cache: {{default_ttl: {{200: 1s}}, stale_while_revalidate: 1s}}
    compress: {{}}
    pool: steady
  - name: limited
    match: {{hosts: [limited.test]}}
    rate_limits: [{{name: per-client, rate: {LIMIT}/s, burst: {LIMIT}, key: client_ip}}]
    pool: steady
  - {{name: all, pool: steady}}
"#
    );
    for extra in 0..number % 40 {
        let _ = writeln!(
            yaml,
            "  - {{name: extra-{extra}, match: {{hosts: [extra-{extra}.test]}}, pool: steady}}"
        );
    }
    yaml
}
