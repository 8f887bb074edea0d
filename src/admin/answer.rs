//! What can be asked of a running process, and by whom?
//!
//! | | admin listener | control socket |
//! |---|---|---|
//! | GET `/metrics`, `/livez`, `/readyz`, `/pools`, `/cache` | yes | yes |
//! | POST `/reload`, `/drain`, `/undrain`, `/endpoints/drain`, `/endpoints/undrain`, `/check`, `/compare`, `/cache/purge` | yes | yes |
//! | POST `/upgrade` | no | yes |
//!
//! Whoever reaches the admin listener may ask; the control socket is for the process's own user, who alone may say which
//! program is started. Browsers are refused: a page from anywhere can make one send a POST to a loopback address.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ORIGIN, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use super::asked::{Ask, body, parameter};
use super::cache::CacheReport;
use super::compare;
use super::drain::{self, Which};
use super::pools::PoolsReport;
use super::purge::{PurgeRequest, Refused as NotPurged, purge};
use super::reply::{Answer, json, leaving, text, wrong_method};
use super::report::{ReloadResult, UpgradeReport};
use super::scrape::{Scraped, scrape};
use crate::cache::report::Report;
use crate::server::checks::{Checked, Refused};
use crate::server::process::Process;
use crate::server::reload::Reloads;
use crate::server::upgrade::Upgrades;
use crate::telemetry::metrics::CONTENT_TYPE as METRICS_TYPE;

/// The largest body, in bytes: a configuration of some ten thousand routes.
const LARGEST: usize = 16 << 20;
/// The same on the control socket.
const LARGEST_OF_OWN_USER: usize = 64 << 20;

/// What is looked at and changed.
pub struct View {
    /// The process.
    pub process: Arc<Process>,
    /// Where reloads are asked for.
    pub reloads: Reloads,
    /// Where upgrades are; nowhere on the admin listener.
    pub upgrades: Option<Upgrades>,
}

/// What `/upgrade` takes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpgradeRequest {
    /// The binary to start instead of the one that runs.
    pub binary: Option<PathBuf>,
    /// Its configuration, instead of the one in force.
    pub config: Option<PathBuf>,
}

/// What `/check` answers.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckReport {
    /// The pool.
    pub pool: String,
    /// What came of the checks, by endpoint.
    pub checks: Vec<Checked>,
}

impl View {
    /// Answers a request.
    pub async fn answer(&self, request: Request<Incoming>) -> Answer {
        let Some(ask) = Ask::of(request.uri().path()) else {
            return text(
                StatusCode::NOT_FOUND,
                "there are /metrics, /livez, /readyz, /pools and /cache, and by POST /reload, /drain, /undrain, /endpoints/drain, \
                 /endpoints/undrain, /check, /compare and /cache/purge\n",
            );
        };
        let method = request.method();
        if ask.changes() {
            if *method != Method::POST {
                return wrong_method("POST");
            }
            if request.headers().contains_key(ORIGIN) {
                return text(StatusCode::FORBIDDEN, "browsers have no business here\n");
            }
        } else if !matches!(*method, Method::GET | Method::HEAD) {
            return wrong_method("GET, HEAD");
        }
        let who = self.who(&request);
        let readiness = &self.process.readiness;
        match ask {
            Ask::Metrics => self.metrics(request.headers()).await,
            Ask::Alive => text(StatusCode::OK, "alive\n"),
            Ask::Ready if readiness.is_ready() => text(StatusCode::OK, "ready\n"),
            Ask::Ready if readiness.is_drained() => {
                text(StatusCode::SERVICE_UNAVAILABLE, "drained\n")
            }
            Ask::Ready => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            Ask::Pools => self.pools(request.uri()),
            Ask::Cache => self.cache(),
            Ask::Purge => self.purge(&who, request).await,
            Ask::Reload => self.reload(who).await,
            Ask::Drain => self.drain(true, &who),
            Ask::Undrain => self.drain(false, &who),
            Ask::DrainEndpoint => self.drain_endpoint(request.uri(), true, &who).await,
            Ask::UndrainEndpoint => self.drain_endpoint(request.uri(), false, &who).await,
            Ask::Compare => self.compare(request).await,
            Ask::Check => self.check(request.uri()).await,
            Ask::Upgrade => self.upgrade(&who, request).await,
        }
    }

    async fn metrics(&self, asked: &HeaderMap) -> Answer {
        match scrape(&self.process, asked).await {
            Ok(Scraped { text, coding }) => {
                let mut response = Response::new(Full::from(text));
                let fields = response.headers_mut();
                fields.insert(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
                if let Some(coding) = coding {
                    fields.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
                }
                response
            }
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    async fn reload(&self, who: String) -> Answer {
        let Some(report) = self.reloads.ask(who).await else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "the process is stopping\n");
        };
        let status = match report.result {
            ReloadResult::Applied | ReloadResult::Unchanged => StatusCode::OK,
            ReloadResult::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
            ReloadResult::NeedsUpgrade => StatusCode::CONFLICT,
        };
        json(status, &report)
    }

    fn drain(&self, drained: bool, who: &str) -> Answer {
        let (told, logged) = match drained {
            true => (
                "drained: /readyz fails, and everything else goes on\n",
                "drained",
            ),
            false => ("not drained\n", "not drained any more"),
        };
        if self.process.readiness.set_drained(drained) {
            log::info!("{logged} by {who}");
        }
        text(StatusCode::OK, told)
    }

    fn pools(&self, uri: &Uri) -> Answer {
        let name = parameter(uri, "pool");
        let snapshot = self.process.snapshot.load();
        match PoolsReport::new(
            &snapshot,
            &self.process.state.names,
            name.as_deref(),
            Instant::now(),
        ) {
            Ok(report) => json(StatusCode::OK, &report),
            Err(names) => {
                let known = drain::listed(names.iter().map(String::as_str));
                let name = name.unwrap_or_default();
                let error = drain::NotFound::Pool(name, known);
                text(StatusCode::NOT_FOUND, format!("{error}\n"))
            }
        }
    }

    fn cache(&self) -> Answer {
        let routes = self.process.state.metrics.served_from_cache();
        json(StatusCode::OK, &CacheReport::new(self.kept(), &routes))
    }

    /// What the cache keeps.
    fn kept(&self) -> Report {
        let state = &self.process.state;
        state.cache.report(state.flights.len())
    }

    async fn purge(&self, who: &str, request: Request<Incoming>) -> Answer {
        let query = request.uri().query().map(str::to_owned);
        let body = match body(request, self.body_limit()).await {
            Ok(body) => body,
            Err(refusal) => return *refusal,
        };
        let wanted = match PurgeRequest::read(query.as_deref(), &body) {
            Ok(wanted) => wanted,
            Err(error) => return text(StatusCode::BAD_REQUEST, error + "\n"),
        };
        let process = Arc::clone(&self.process);
        let who = who.to_owned();
        // To its end, whether who has asked waits for that or not.
        let purging = tokio::spawn(async move { purge(&process, &wanted, &who).await });
        match purging.await {
            Ok(Ok(answer)) => json(StatusCode::OK, &answer),
            Ok(Err(NotPurged::Leaving)) => leaving(),
            Ok(Err(error)) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    async fn drain_endpoint(&self, uri: &Uri, drained: bool, who: &str) -> Answer {
        let (Some(pool), Some(endpoint)) = (parameter(uri, "pool"), parameter(uri, "endpoint"))
        else {
            return text(
                StatusCode::BAD_REQUEST,
                "say which endpoint is meant: ?pool=NAME&endpoint=ADDRESS\n",
            );
        };
        // Not between what an upgrade hands over and its end: it would be forgotten.
        let _turn = self.process.turn.lock().await;
        if self.process.is_leaving() {
            return leaving();
        }
        let which = Which { pool, endpoint };
        let snapshot = self.process.snapshot.load();
        let report = match drain::drain(&snapshot, &which, drained, Instant::now()) {
            Ok(report) => report,
            Err(error) => return text(StatusCode::NOT_FOUND, format!("{error}\n")),
        };
        let Which { pool, endpoint } = which;
        let state = match drained {
            true => "drained",
            false => "not drained any more",
        };
        if report.changed {
            log::info!("pool {pool}: endpoint {endpoint}: {state} by {who}");
            if let Some(warning) = &report.warning {
                log::warn!("pool {pool}: endpoint {endpoint} is drained: {warning}");
            }
        }
        json(StatusCode::OK, &report)
    }

    async fn compare(&self, request: Request<Incoming>) -> Answer {
        // Whole configurations are large; one at a time, and not more of them in memory.
        let comparing = Arc::clone(&self.process.askers.comparing);
        let Ok(turn) = comparing.try_acquire_owned() else {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                "another configuration is being compared; try again\n",
            );
        };
        let body = match body(request, self.body_limit()).await {
            Ok(body) => body,
            Err(refusal) => return *refusal,
        };
        let process = Arc::clone(&self.process);
        // Not on this thread: probes are answered meanwhile. It goes on when who has asked leaves, so the turn is its own.
        let comparing = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            compare::compare(&process, &body)
        });
        match comparing.await {
            Ok(Ok(comparison)) => json(StatusCode::OK, &comparison),
            Ok(Err(error)) => text(StatusCode::BAD_REQUEST, error + "\n"),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    /// `/check?pool=NAME`, with `&endpoint=ADDRESS` for one of its endpoints: has them checked now.
    async fn check(&self, uri: &Uri) -> Answer {
        let Some(pool) = parameter(uri, "pool") else {
            return text(
                StatusCode::BAD_REQUEST,
                "say which pool: /check?pool=NAME, and &endpoint=ADDRESS for one endpoint\n",
            );
        };
        let endpoint = parameter(uri, "endpoint");
        match self.process.checks.now(&pool, endpoint.as_deref()).await {
            Ok(checks) => json(StatusCode::OK, &CheckReport { pool, checks }),
            Err(why @ (Refused::Stopping | Refused::Busy)) => {
                text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))
            }
            Err(why) => text(StatusCode::NOT_FOUND, format!("{why}\n")),
        }
    }

    fn body_limit(&self) -> usize {
        match self.upgrades {
            Some(_) => LARGEST_OF_OWN_USER,
            None => LARGEST,
        }
    }

    async fn upgrade(&self, who: &str, request: Request<Incoming>) -> Answer {
        let Some(upgrades) = &self.upgrades else {
            return text(
                StatusCode::FORBIDDEN,
                "an upgrade is asked for over the control socket (`portcullis upgrade`), or with SIGUSR2\n",
            );
        };
        let wanted = match body(request, self.body_limit()).await {
            Ok(body) if body.is_empty() => UpgradeRequest::default(),
            Ok(body) => match serde_json::from_slice::<UpgradeRequest>(&body) {
                Ok(wanted) => wanted,
                Err(error) => return text(StatusCode::BAD_REQUEST, format!("{error}\n")),
            },
            Err(refusal) => return *refusal,
        };
        let report = upgrades.run(who, wanted.binary, wanted.config).await;
        let status = match report {
            UpgradeReport::Upgraded { .. } => StatusCode::OK,
            UpgradeReport::Failed { .. } => StatusCode::CONFLICT,
        };
        json(status, &report)
    }

    /// Who asks, for the log.
    fn who(&self, request: &Request<Incoming>) -> String {
        let through = if self.upgrades.is_some() {
            "the control socket"
        } else {
            "the admin listener"
        };
        let agent = request.headers().get(USER_AGENT);
        match agent.and_then(|agent| agent.to_str().ok()) {
            Some(agent) => {
                let agent: String = agent.chars().take(64).collect();
                format!("{agent} over {through}")
            }
            None => through.to_owned(),
        }
    }
}
