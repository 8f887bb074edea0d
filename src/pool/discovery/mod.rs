//! Which addresses does a pool have now? Written ones at once; those of names as name servers answer, looked up by a
//! background task and never by a request.

mod keep;
mod places;
mod question;
pub mod resolver;
mod schedule;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;

use super::address::WrittenAddress;
use super::breaker::{self, Breaker, NeverOpens, Scope};
use super::endpoint::{EndpointKey, GuardMetrics};
use super::health::{Health, Unchecked};
use super::{
    Address, Endpoint, EndpointState, Keepalive, Members, Pool, PoolState, Protocol, Sticky,
    Timeouts, balancer,
};
use crate::state::State;
use crate::upstream::{Peer, PeerTls, PoolTls};
pub use keep::{keep_resolved, resolve_unknown};
pub use question::{Found, Instance, Question, Resolved};
pub use resolver::Resolver;

/// A pool that has names among its endpoints.
#[derive(Clone)]
pub struct Lookup {
    /// The pool.
    pub pool: Arc<Pool>,
    /// What its members are made of.
    pub source: Source,
    /// The longest time between two look-ups of a name.
    pub every: Duration,
}

/// What the members of a pool are made of, once its names are resolved.
#[derive(Clone)]
pub struct Source {
    /// The pool's name.
    pub pool: Arc<str>,
    /// How an endpoint is chosen.
    pub balancer: balancer::Rule,
    /// What is spoken with the endpoints.
    pub protocol: Protocol,
    /// TLS with them.
    pub tls: Option<Arc<PoolTls>>,
    /// The name they are asked for, instead of their own.
    pub tls_name: Option<String>,
    /// How long they may take.
    pub timeouts: Timeouts,
    /// How long their connections are kept.
    pub keepalive: Keepalive,
    /// What is remembered about the pool.
    pub memory: Arc<PoolState>,
    /// What holds for each of them.
    pub rules: Arc<Rules>,
    /// Where they are.
    pub endpoints: Vec<Spot>,
}

/// What holds for every endpoint of a pool.
pub struct Rules {
    /// What is made of what was measured.
    pub health: Arc<dyn Health>,
    /// When an endpoint is given a rest.
    pub breaker: Arc<dyn Breaker>,
    /// How long the share of an endpoint grows after it has joined or recovered.
    pub slow_start: Option<Duration>,
    /// What clients are known by when they come back.
    pub sticky: Option<Arc<Sticky>>,
    /// Whose requests the breaker watches, if there is one.
    pub breaks: Option<Scope>,
    /// Whether endpoints may be ejected.
    pub ejects: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            health: Arc::new(Unchecked),
            breaker: Arc::new(NeverOpens),
            slow_start: None,
            sticky: None,
            breaks: None,
            ejects: false,
        }
    }
}

/// One written endpoint: an address, or a name that stands for some.
#[derive(Clone, Debug)]
pub struct Spot {
    /// Where it is.
    pub address: WrittenAddress,
    /// Its share of the requests, against the other weights.
    pub weight: u16,
    /// It is used when no endpoint of a lower number is available.
    pub priority: u8,
    /// Requests it may serve at once; `None` for no limit.
    pub max_requests: Option<u32>,
}

impl Source {
    /// Whether there is anything to look up.
    pub fn has_names(&self) -> bool {
        self.questions().next().is_some()
    }

    /// The members, with every address of a name as an endpoint of its own. Names that are not resolved give none.
    pub fn members(&self, resolved: &Resolved, state: &State) -> Members {
        let places = self.places(resolved).into_iter();
        let endpoints: Vec<Arc<Endpoint>> = places
            .filter_map(|place| self.endpoint(place.address, place.host, &place.spot, state))
            .collect();
        Members::new(endpoints.into_boxed_slice(), |endpoints| {
            balancer::build(&self.balancer, endpoints)
        })
    }

    /// The memory of an endpoint nobody knows yet. It joins the others, unless the pool is as new as itself.
    fn first_seen(&self, spot: &Spot) -> EndpointState {
        let state = EndpointState::limited(spot.max_requests);
        if self.memory.has_served() {
            state.rises(Instant::now());
        }
        state
    }

    fn endpoint(
        &self,
        address: Address,
        host: Option<&str>,
        spot: &Spot,
        state: &State,
    ) -> Option<Arc<Endpoint>> {
        let tls = match &self.tls {
            None => None,
            Some(settings) => {
                let name = match (self.tls_name.as_deref().or(host), &address) {
                    (Some(name), _) => ServerName::try_from(name.to_owned()).ok()?,
                    (None, Address::Inet(address)) => ServerName::from(address.ip()),
                    // Not verified: what it is called does not matter.
                    (None, Address::Unix(_)) => ServerName::try_from("localhost").ok()?,
                };
                Some(PeerTls {
                    settings: Arc::clone(settings),
                    name,
                })
            }
        };
        let peer = Peer::new(
            &self.pool,
            address.clone(),
            self.protocol,
            tls,
            &self.timeouts,
            &self.keepalive,
        );
        let peer = match peer {
            Ok(peer) => peer,
            Err(error) => {
                log::error!("pool {}: endpoint {address}: {error}", self.pool);
                return None;
            }
        };
        let name: Arc<str> = Arc::from(address.to_string());
        let key = EndpointKey {
            pool: Arc::clone(&self.pool),
            address,
        };
        let metrics = state.metrics.endpoint(&self.pool, &name);
        let memory = state.endpoints.get_or_create(key, || self.first_seen(spot));
        memory.show_drained(&metrics.drained);
        let guards = self.guards(&name, &memory, state);
        Some(Arc::new(Endpoint {
            metrics,
            state: memory,
            mark: self.rules.sticky.as_ref().map(|sticky| sticky.mark(&name)),
            guards,
            health: Arc::clone(&self.rules.health),
            breaker: Arc::clone(&self.rules.breaker),
            slow_start: self.rules.slow_start,
            decay: self.balancer.decay(),
            pool: Arc::clone(&self.memory),
            pool_metrics: state.metrics.pool(&self.pool),
            priority: spot.priority,
            max_requests: spot.max_requests,
            host: host_value(host, &peer.address),
            name,
            weight: spot.weight,
            peer,
        }))
    }
}

impl Source {
    /// The metrics of what may keep requests from an endpoint, with what is remembered of it.
    fn guards(&self, endpoint: &str, memory: &EndpointState, state: &State) -> GuardMetrics {
        let breaker = self.rules.breaks.map(|scope| {
            let (endpoint, memory) = match scope {
                Scope::Endpoint => (endpoint, &memory.breaker),
                Scope::Pool => ("", self.memory.breaker()),
            };
            let metrics = state.metrics.breaker(&self.pool, endpoint);
            breaker::show(memory, &metrics);
            metrics
        });
        let ejection = self.rules.ejects.then(|| {
            let metrics = state.metrics.ejection(&self.pool, endpoint);
            metrics.ejected.set(memory.ejection.is_noted().into());
            metrics
        });
        GuardMetrics { breaker, ejection }
    }
}

/// What `host: endpoint` sends: the name or address as a client would write it, with its port.
fn host_value(host: Option<&str>, address: &Address) -> http::HeaderValue {
    let text = match (host, address) {
        (Some(host), Address::Inet(address)) => format!("{host}:{}", address.port()),
        (_, Address::Inet(address)) => address.to_string(),
        (_, Address::Unix(_)) => "localhost".to_owned(),
    };
    http::HeaderValue::try_from(text)
        .unwrap_or_else(|_| http::HeaderValue::from_static("localhost"))
}
