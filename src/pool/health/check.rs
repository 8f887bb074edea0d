//! What is an endpoint asked, where and how often, and which answers are good?

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use memchr::memmem;

use super::verdict;
use crate::pool::{Address, Endpoint, HostRule};

/// What a check calls itself: its `User-Agent`, unless the configuration has another.
pub const AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// How the endpoints of a pool are checked.
#[derive(Clone, Debug)]
pub struct Check {
    /// What is asked.
    pub question: Question,
    /// Where.
    pub place: Place,
    /// Whether TLS is spoken, with the settings the pool has for its requests.
    pub tls: bool,
    /// How long a whole check may take: connecting, TLS and the answer.
    pub timeout: Duration,
    /// How often it is asked.
    pub rhythm: Rhythm,
    /// What the results make of an endpoint.
    pub verdict: verdict::Params,
    /// Tells what is asked apart from what another configuration asks. Intervals and thresholds are no part of it.
    pub fingerprint: u64,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// Only whether there is a connection, and TLS on it.
    Tcp,
    /// An HTTP request.
    Http(Arc<HttpQuestion>),
    /// `grpc.health.v1.Health/Check` for this service; empty for the process as a whole.
    Grpc {
        /// The service's name.
        service: Arc<str>,
        /// The `:authority` of the request.
        host: HostRule,
    },
}

/// An HTTP request, and the answers that are good.
#[derive(Clone, Debug)]
pub struct HttpQuestion {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: Uri,
    /// Its host.
    pub host: HostRule,
    /// Its other fields.
    pub headers: HeaderMap,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Good status codes.
    pub statuses: Box<[RangeInclusive<u16>]>,
    /// What must stand in the body.
    pub body: Option<BodyRule>,
}

/// What must stand in a body.
#[derive(Clone, Debug)]
pub enum BodyRule {
    /// These bytes.
    Contains(Box<memmem::Finder<'static>>),
    /// Something this matches.
    Matches(regex::bytes::Regex),
}

/// Where a check goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To the endpoint.
    Endpoint,
    /// To another port of it.
    Port(u16),
    /// Elsewhere.
    Address(Address),
}

/// How often an endpoint is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// From the beginning of one check to that of the next.
    pub interval: Duration,
    /// The same while the endpoint is unhealthy.
    pub interval_down: Duration,
    /// By how many hundredths an interval may be shorter or longer.
    pub jitter: u8,
}

/// Why a check was not passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no connection.
    Connect(String),
    /// TLS did not come about.
    Tls(String),
    /// It took longer than this.
    Timeout(Duration),
    /// The answer was cut off, or none.
    Broken(String),
    /// The answer has a status that is not among the good ones.
    Status(u16),
    /// The body is not as it should be.
    Body,
    /// The gRPC call ended with this status.
    GrpcStatus(String),
    /// The service is there, and says that it does not serve.
    NotServing(&'static str),
}

impl HttpQuestion {
    /// Whether this status is a good one.
    pub fn accepts(&self, status: StatusCode) -> bool {
        let status = status.as_u16();
        self.statuses.iter().any(|range| range.contains(&status))
    }
}

impl BodyRule {
    /// Whether this body is as it should be.
    pub fn accepts(&self, body: &[u8]) -> bool {
        match self {
            BodyRule::Contains(finder) => finder.find(body).is_some(),
            BodyRule::Matches(regex) => regex.is_match(body),
        }
    }
}

impl Place {
    /// Where the check of this endpoint goes.
    pub fn of(&self, endpoint: &Address) -> Address {
        match (self, endpoint) {
            (Place::Address(address), _) => address.clone(),
            (Place::Port(port), Address::Inet(inet)) => Address::Inet((inet.ip(), *port).into()),
            // A Unix socket has no port.
            (Place::Port(_) | Place::Endpoint, endpoint) => endpoint.clone(),
        }
    }
}

/// The host that a check of this endpoint asks for. Where requests bring their own, there is none: the endpoint's then.
pub fn host_for(rule: &HostRule, endpoint: &Endpoint) -> HeaderValue {
    match rule {
        HostRule::Fixed(host) => host.clone(),
        HostRule::Keep | HostRule::Endpoint => endpoint.host.clone(),
    }
}

impl Rhythm {
    /// From the beginning of a check to that of the next; `random` is from 0 up to 1.
    pub fn next(&self, healthy: bool, random: f64) -> Duration {
        let interval = match healthy {
            true => self.interval,
            false => self.interval_down,
        };
        let share = f64::from(self.jitter) / 100.0;
        interval.mul_f64(1.0 + share * (2.0 * random - 1.0))
    }

    /// From the first check of an endpoint to its second: anything up to an interval, so that endpoints which came
    /// together are not checked together from then on. Without jitter, an interval.
    pub fn second(&self, healthy: bool, random: f64) -> Duration {
        match self.jitter {
            0 => self.next(healthy, random),
            _ => self.next(healthy, 0.5).mul_f64(random),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Connect(why) => f.write_str(why),
            Failure::Tls(why) => write!(f, "TLS handshake: {why}"),
            Failure::Timeout(limit) => write!(f, "timeout after {limit:?}"),
            Failure::Broken(why) => write!(f, "no whole answer: {why}"),
            Failure::Status(status) => write!(f, "status {status}"),
            Failure::Body => f.write_str("the body is not as expected"),
            Failure::GrpcStatus(status) => write!(f, "grpc-status {status}"),
            Failure::NotServing(status) => write!(f, "the service says {status}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_interval_is_longer_or_shorter_by_the_jitter_at_most() {
        let rhythm = Rhythm {
            interval: 10 * SECOND,
            interval_down: SECOND,
            jitter: 10,
        };
        assert_eq!(rhythm.next(true, 0.0), 9 * SECOND);
        assert_eq!(rhythm.next(true, 0.5), 10 * SECOND);
        assert_eq!(rhythm.next(true, 1.0), 11 * SECOND);
        assert_eq!(rhythm.next(false, 0.5), SECOND);
        assert_eq!(rhythm.second(true, 0.25), Duration::from_millis(2_500));
        let exact = Rhythm {
            jitter: 0,
            ..rhythm
        };
        assert_eq!(exact.next(true, 0.9), 10 * SECOND);
        assert_eq!(exact.second(true, 0.25), 10 * SECOND);
    }

    #[test]
    fn a_check_goes_to_the_endpoint_unless_it_is_sent_elsewhere() {
        let inet = |text: &str| Address::Inet(text.parse().expect("an address"));
        let unix = Address::Unix(Arc::new("/run/app.sock".into()));
        let endpoint = inet("[::1]:80");
        assert_eq!(Place::Endpoint.of(&endpoint), endpoint);
        assert_eq!(Place::Port(81).of(&endpoint), inet("[::1]:81"));
        assert_eq!(Place::Address(unix.clone()).of(&endpoint), unix);
        assert_eq!(Place::Endpoint.of(&unix), unix);
    }

    #[test]
    fn a_body_is_searched_as_bytes() {
        let contains = BodyRule::Contains(Box::new(memmem::Finder::new("ok").into_owned()));
        assert!(contains.accepts(b"\xff ok \xfe") && !contains.accepts(b"o k"));
        let matches = BodyRule::Matches(regex::bytes::Regex::new("(?m)^up$").expect("a regex"));
        assert!(matches.accepts(b"\xff\nup\n") && !matches.accepts(b"not up"));
    }
}
