//! What is remembered about one request while it is under way?

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderName, HeaderValue};

use super::about::About;
use super::again::Repeats;
use super::cached;
use super::finish::{self, Asked};
use super::forward::{Peer, Scheme, X_REQUEST_ID};
use super::overtime::Overtime;
use super::trail::Trail;
use super::unwind;
use crate::admission::overload::Entered;
use crate::cache::CacheResult;
use crate::cache::rules::CacheStatus;
use crate::error::{Phase, ProxyError};
use crate::policy::access::Granted;
use crate::policy::compress::Encoding;
use crate::pool::retries::Retries;
use crate::pool::{Lease, Pool, Priority, Timeouts, Tried, Wanted, Wish};
use crate::server::connection::pace::Pace;
use crate::snapshot::{End, Listener, Route, Snapshot};
use crate::telemetry::metrics::Counted;

/// One request: what was found out about it, and what happened to it.
pub struct RequestCtx {
    /// The generation it lives in.
    pub snapshot: Arc<Snapshot>,
    /// When its header was there.
    pub started: Instant,
    /// The same on the wall clock.
    pub time: SystemTime,
    /// What watches over its time.
    pub overtime: Option<Arc<Overtime>>,
    /// The connection it came on.
    pub about: Option<Arc<About>>,
    /// The listener, as this generation knows it.
    pub listener: Option<Arc<Listener>>,
    /// Keeps it among the listener's requests in flight.
    pub in_flight: Option<Counted>,
    /// Keeps it among the requests of the process, if there is a limit on them.
    pub entered: Option<Entered>,
    /// Who sent it.
    pub peer: Peer,
    /// Where it came from in the first place.
    pub client: Option<IpAddr>,
    /// How the client speaks, by what is known here or a trusted proxy says.
    pub scheme: Scheme,
    /// How its peer speaks.
    pub spoken: Scheme,
    /// The port it came to; `None` on a Unix socket.
    pub port: Option<u16>,
    /// The version of HTTP the client speaks.
    pub version: http::Version,
    /// Its id.
    pub request_id: Option<HeaderValue>,
    /// The host it asks for, as it wrote it.
    pub host: Option<HeaderValue>,
    /// Its route.
    pub route: Option<Arc<Route>>,
    /// How many access policies have let it pass: those of its listener, then those of its route.
    pub admitted: usize,
    /// Whether one of them had to wait.
    pub paused: bool,
    /// What they found out.
    pub granted: Granted,
    /// The target the endpoint sees, where it is not the one that came.
    pub target: Option<String>,
    /// What a consistent balancer goes by.
    pub key: Option<u64>,
    /// Which requests it goes before, should it have to wait for a slot of its pool.
    pub priority: Priority,
    /// How long it waited for a slot.
    pub queued: Option<Duration>,
    /// Since when it has been asking for one; what it then waits is noted also should it end meanwhile.
    pub queues_since: Option<Instant>,
    /// Where its client was, if its pool is sticky and it says so.
    pub wish: Option<Wish>,
    /// How much of a body it may send.
    pub max_body: Option<u64>,
    /// How much of a body it has sent.
    pub received: u64,
    /// Whether its body is complete.
    pub body_done: bool,
    /// How fast its body comes, where it is for the overtime to see that (HTTP/2).
    pub pace: Option<Pace>,
    /// Whether its client waits with the body for a word.
    pub expects: bool,
    /// The right to use an endpoint; its last one.
    pub lease: Option<Lease>,
    /// The name of the endpoint of the last attempt, after the lease was given back.
    pub endpoint: Option<Arc<str>>,
    /// The endpoints tried before.
    pub tried: Tried,
    /// How many attempts were made.
    pub attempts: u32,
    /// What became of each.
    pub trail: Trail,
    /// What is remembered of those before the last one.
    pub repeats: Repeats,
    /// How long the last attempt took to connect.
    pub connect: Option<Duration>,
    /// When the last attempt's request was on its way, as far as it has come from the client.
    pub sent: Option<Instant>,
    /// From there to the response's header.
    pub first_byte: Option<Duration>,
    /// The endpoint's status code.
    pub upstream_status: Option<u16>,
    /// The status code of the answer that Pingora's duplex has begun to pass on.
    pub answered: Option<u16>,
    /// How much of its body the duplex has been given to pass on: of a request that is cut, the client may have a little less.
    pub sent_on: u64,
    /// How long until there may be an endpoint for it, if there is none now and that is known.
    pub retry_after: Option<Duration>,
    /// What it asks the cache for, until it is asked.
    pub wanted_object: Option<Box<cached::Place>>,
    /// What it may change of what is stored.
    pub changing: Option<Box<cached::Changing>>,
    /// How the cache served it, if its route has one.
    pub cache: Option<CacheResult>,
    /// What the client is told of that.
    pub cache_status: Option<CacheStatus>,
    /// What compresses its answer, in the duplex.
    pub encoding: Option<Box<Encoding>>,
    /// Why it failed.
    pub failure: Option<ProxyError>,
    /// Whether a step of it panicked. Then it is answered without its route's policies: one of them may do it again.
    pub panicked: bool,
    /// Whether it was asked to become something else, a WebSocket for instance.
    pub upgrade: bool,
    /// Told when it has become one; then silence is allowed.
    pub upgraded: Option<Arc<AtomicBool>>,
    /// What its line needs should it be dropped in the middle; only there while Pingora's duplex has it.
    pub asked: Option<Box<Asked>>,
}

impl Drop for RequestCtx {
    fn drop(&mut self) {
        // A panic on the way may be what drops it, and a second one meanwhile would end the process.
        if let Err(panic) = unwind::catch_now(|| finish::dropped(self)) {
            unwind::unexplained(&panic, &self.snapshot.metrics);
        }
    }
}

impl RequestCtx {
    /// A request that has just come.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self {
            snapshot,
            started: Instant::now(),
            time: SystemTime::now(),
            overtime: None,
            about: None,
            listener: None,
            in_flight: None,
            entered: None,
            peer: Peer {
                address: None,
                trusted: false,
            },
            client: None,
            scheme: Scheme::Http,
            spoken: Scheme::Http,
            port: None,
            version: http::Version::HTTP_11,
            request_id: None,
            host: None,
            route: None,
            admitted: 0,
            paused: false,
            granted: Granted::default(),
            target: None,
            key: None,
            priority: Priority::default(),
            queued: None,
            queues_since: None,
            wish: None,
            max_body: None,
            received: 0,
            body_done: false,
            pace: None,
            expects: false,
            lease: None,
            endpoint: None,
            tried: Tried::default(),
            attempts: 0,
            trail: Trail::default(),
            repeats: Repeats::default(),
            connect: None,
            sent: None,
            first_byte: None,
            upstream_status: None,
            answered: None,
            sent_on: 0,
            retry_after: None,
            wanted_object: None,
            changing: None,
            cache: None,
            cache_status: None,
            failure: None,
            panicked: false,
            upgrade: false,
            encoding: None,
            upgraded: None,
            asked: None,
        }
    }

    /// The field that carries its id.
    pub fn id_field(&self) -> &HeaderName {
        let route = self.route.as_ref();
        let rule = route.and_then(|route| route.request_id.as_ref());
        rule.map_or(&X_REQUEST_ID, |rule| &rule.name)
    }

    /// Its pool and times, if its route ends at one.
    pub fn pool(&self) -> Option<(&Arc<Pool>, &Timeouts)> {
        match &self.route.as_ref()?.end {
            End::Pool(pool, timeouts) => Some((pool, timeouts)),
            _ => None,
        }
    }

    /// When an attempt of it that failed is made again, if its route ends at a pool.
    pub fn retries(&self) -> Option<&Retries> {
        let route = self.route.as_ref()?;
        match (&route.retries, &route.end) {
            (Some(own), _) => Some(own),
            (None, End::Pool(pool, _)) => Some(&pool.retries),
            _ => None,
        }
    }

    /// What it wants of its pool.
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted {
            tried: &self.tried,
            key: self.key,
            wish: self.wish,
            priority: self.priority,
            deadline: self.deadline(),
        }
    }

    /// How far on the line it came, up to the answer's header.
    pub fn reached(&self) -> Phase {
        if self.sent.is_some() {
            if self.body_done {
                Phase::Response
            } else {
                Phase::Request
            }
        } else if self.attempts > 0 {
            Phase::Connect
        } else if self.route.is_some() {
            Phase::Pool
        } else if self.listener.is_some() {
            Phase::Route
        } else {
            Phase::Header
        }
    }

    /// Takes note of why it failed; the first word counts.
    pub fn failed(&mut self, failure: ProxyError) -> ProxyError {
        *self.failure.get_or_insert(failure)
    }

    /// How long it waited for a slot of its pool, all attempts together; `None` if it did not have to.
    pub fn waited(&self) -> Option<Duration> {
        let now = self.queues_since.map(|since| since.elapsed());
        self.queued
            .map_or(now, |before| Some(before + now.unwrap_or_default()))
    }

    /// When it must be over, if there is a limit.
    pub fn deadline(&self) -> Option<Instant> {
        let (_, timeouts) = self.pool()?;
        self.started.checked_add(timeouts.total?)
    }
}
