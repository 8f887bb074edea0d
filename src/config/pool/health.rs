//! How are the endpoints of a pool asked whether they are well?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{Percent, StatusRange};
use crate::config::{Spanned, Timespan};

/// Active health checks.
///
/// Each endpoint is asked again and again, by one background task and on connections of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// What a check is. Default: http.
    pub r#type: CheckType,
    /// With `http`: the request's method. Default: GET.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Spanned<String>>,
    /// With `http`: the request's path, with a query if it needs one. Default: /.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Spanned<String>>,
    /// With `http` and `grpc`: the request's host. Default: the pool's `host` if it is a name, else the endpoint's
    /// address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Spanned<String>>,
    /// With `http`: other fields of the request. Default: only `User-Agent`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Spanned<String>>,
    /// With `http`: the status codes that pass, each a code or a range such as `200-299`. A redirect is not followed.
    /// Default: [200-299].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Spanned<Vec<StatusRange>>>,
    /// With `http`: what the body must contain, in its first 64 KiB. Default: the body is not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Spanned<String>>,
    /// With `http`: a regular expression that must match in the first 64 KiB of the body. Default: the body is not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "ready|degraded")]
    pub body_regex: Option<Spanned<String>>,
    /// With `grpc`: the service to ask for; empty for the process as a whole. Default: empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Spanned<String>>,
    /// Whether TLS is spoken, with the pool's `tls` settings. Default: as the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Spanned<bool>>,
    /// Another port of each endpoint to ask at. Default: the endpoint's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Spanned<u16>>,
    /// Another address to ask at for every endpoint: `IP:port`, `[IPv6]:port` or `unix:/path`. Default: the endpoint's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "10.0.0.2:8081")]
    pub address: Option<Spanned<String>>,
    /// How often an endpoint is asked, from the beginning of one check to that of the next: 10ms to 1d. Default: 5s.
    pub interval: Spanned<Timespan>,
    /// The same while it is unhealthy, as `1s`. Default: as `interval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_down: Option<Spanned<Timespan>>,
    /// By how many percent an interval is shorter or longer by chance: 0 to 100. With 0, endpoints that came together
    /// are checked together. Default: 10.
    pub jitter: Spanned<Percent>,
    /// How long a whole check may take: connecting, TLS and the answer. The next begins after it. Default: 2s, or
    /// `interval` if that is shorter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Spanned<Timespan>>,
    /// Checks passed in a row that make an unhealthy endpoint healthy. Default: 2.
    pub rise: Spanned<u32>,
    /// Checks failed in a row that make a healthy endpoint unhealthy. Where nothing is known yet, one is enough.
    /// Default: 3.
    pub fall: Spanned<u32>,
    /// What a new endpoint is. The first check begins at once. Default: healthy.
    pub initial: Initial,
}

/// The kinds of checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckType {
    /// An HTTP request.
    #[default]
    Http,
    /// A connection only, with TLS if the check has it.
    Tcp,
    /// `grpc.health.v1.Health/Check`, over HTTP/2.
    Grpc,
}

/// What a new endpoint is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Initial {
    /// It is used at once, until its first check fails.
    #[default]
    Healthy,
    /// It is not used before it has passed `rise` checks.
    Unhealthy,
    /// It is not used before its first check has passed.
    Checking,
}

/// The longest time a check takes unless it is said.
const TIMEOUT: Timespan = Timespan::secs(2);

impl Default for Health {
    fn default() -> Self {
        Self {
            r#type: CheckType::Http,
            method: None,
            path: None,
            host: None,
            headers: BTreeMap::new(),
            status: None,
            body: None,
            body_regex: None,
            service: None,
            tls: None,
            port: None,
            address: None,
            interval: Spanned::new(Timespan::secs(5)),
            interval_down: None,
            jitter: Spanned::new(Percent::new(10)),
            timeout: None,
            rise: Spanned::new(2),
            fall: Spanned::new(3),
            initial: Initial::Healthy,
        }
    }
}

impl Health {
    /// How long a whole check may take.
    pub fn timeout(&self) -> Timespan {
        match &self.timeout {
            Some(timeout) => timeout.value,
            None => self.interval.value.min(TIMEOUT),
        }
    }

    /// The good status codes.
    pub fn statuses(&self) -> Vec<StatusRange> {
        match &self.status {
            Some(status) => status.value.clone(),
            None => vec![StatusRange::new(200, 299)],
        }
    }

    /// Writes the defaults that are not written when it is read, but for those that are the pool's.
    pub fn fill_in(&mut self) {
        let (timeout, interval, statuses) = (self.timeout(), self.interval.value, self.statuses());
        self.timeout.get_or_insert_with(|| Spanned::new(timeout));
        let down = &mut self.interval_down;
        down.get_or_insert_with(|| Spanned::new(interval));
        match self.r#type {
            CheckType::Http => {
                self.method.get_or_insert_with(|| "GET".to_owned().into());
                self.path.get_or_insert_with(|| "/".to_owned().into());
                self.status.get_or_insert_with(|| statuses.into());
            }
            CheckType::Grpc => {
                self.service.get_or_insert_with(|| String::new().into());
            }
            CheckType::Tcp => {}
        }
    }
}
