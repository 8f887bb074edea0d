//! What can be asked of a running process, and by whom?
//!
//! | | admin listener | control socket |
//! |---|---|---|
//! | GET `/metrics`, `/livez`, `/readyz` | yes | yes |
//! | POST `/reload`, `/drain`, `/undrain`, `/compare` | yes | yes |
//! | POST `/upgrade` | no | yes |
//!
//! Whoever reaches the admin listener may ask; the control socket is for the process's own user, who alone may say which
//! program is started. Browsers are refused: a page from anywhere can make one send a POST to a loopback address.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ORIGIN, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use super::compare;
use super::report::{ReloadResult, UpgradeReport};
use crate::server::process::Process;
use crate::server::reload::Reloads;
use crate::server::upgrade::Upgrades;
use crate::telemetry::metrics::CONTENT_TYPE as METRICS_TYPE;

/// The largest body, in bytes: a whole configuration.
const BODY_LIMIT: usize = 64 << 20;

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

type Answer = Response<Full<Bytes>>;

impl View {
    /// Answers a request.
    pub async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match (path.as_str(), reads) {
            ("/metrics" | "/livez" | "/readyz", true) => self.look(&path),
            ("/metrics" | "/livez" | "/readyz", false) => wrong_method("GET, HEAD"),
            ("/reload" | "/drain" | "/undrain" | "/compare" | "/upgrade", _) => {
                if request.method() != Method::POST {
                    return wrong_method("POST");
                }
                if request.headers().contains_key(ORIGIN) {
                    return text(StatusCode::FORBIDDEN, "browsers have no business here\n");
                }
                self.change(&path, request).await
            }
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /metrics, /livez and /readyz, and by POST /reload, /drain, /undrain and /compare\n",
            ),
        }
    }

    fn look(&self, path: &str) -> Answer {
        match path {
            "/metrics" => {
                let mut body = Vec::new();
                self.process.state.metrics.render(&mut body);
                let mut response = Response::new(Full::from(body));
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
                response
            }
            "/livez" => text(StatusCode::OK, "alive\n"),
            _ if self.process.readiness.is_ready() => text(StatusCode::OK, "ready\n"),
            _ if self.process.readiness.is_drained() => {
                text(StatusCode::SERVICE_UNAVAILABLE, "drained\n")
            }
            _ => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        }
    }

    async fn change(&self, path: &str, request: Request<Incoming>) -> Answer {
        let who = self.who(&request);
        match path {
            "/reload" => match self.reloads.ask(who).await {
                Some(report) => {
                    let status = match report.result {
                        ReloadResult::Applied | ReloadResult::Unchanged => StatusCode::OK,
                        ReloadResult::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
                        ReloadResult::NeedsUpgrade => StatusCode::CONFLICT,
                    };
                    json(status, &report)
                }
                None => text(StatusCode::SERVICE_UNAVAILABLE, "the process is stopping\n"),
            },
            "/drain" | "/undrain" => {
                let drained = path == "/drain";
                if self.process.readiness.set_drained(drained) {
                    log::info!(
                        "{} by {who}",
                        if drained {
                            "drained"
                        } else {
                            "not drained any more"
                        }
                    );
                }
                text(
                    StatusCode::OK,
                    if drained {
                        "drained: /readyz fails, and everything else goes on\n"
                    } else {
                        "not drained\n"
                    },
                )
            }
            "/compare" => match body(request).await {
                Ok(body) => match compare::compare(&self.process, &body) {
                    Ok(comparison) => json(StatusCode::OK, &comparison),
                    Err(error) => text(StatusCode::BAD_REQUEST, error + "\n"),
                },
                Err(refusal) => *refusal,
            },
            _ => self.upgrade(&who, request).await,
        }
    }

    async fn upgrade(&self, who: &str, request: Request<Incoming>) -> Answer {
        let Some(upgrades) = &self.upgrades else {
            return text(
                StatusCode::FORBIDDEN,
                "an upgrade is asked for over the control socket (`portcullis upgrade`), or with SIGUSR2\n",
            );
        };
        let wanted = match body(request).await {
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

async fn body(request: Request<Incoming>) -> Result<Bytes, Box<Answer>> {
    match Limited::new(request.into_body(), BODY_LIMIT)
        .collect()
        .await
    {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(Box::new(text(
            StatusCode::BAD_REQUEST,
            format!("the body can't be read: {error}\n"),
        ))),
    }
}

fn wrong_method(allowed: &'static str) -> Answer {
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("only {allowed} is answered here\n"),
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    response(status, "text/plain; charset=utf-8", body.into())
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Our own types, whose keys are strings: writing them does not fail.
    let mut body = serde_json::to_vec_pretty(value).unwrap_or_default();
    body.push(b'\n');
    response(status, "application/json", Bytes::from(body))
}

fn response(status: StatusCode, media_type: &'static str, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
