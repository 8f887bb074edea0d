//! Which addresses does a pool have now? Written ones at once; host names as the system's resolver answers, looked up
//! by a background task and never by a request.

mod resolve;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::address::WrittenAddress;
use super::breaker::{self, Breaker, NeverOpens, Scope};
use super::endpoint::{EndpointKey, GuardMetrics};
use super::health::{Health, Unchecked};
use super::{
    Address, Endpoint, EndpointState, Keepalive, Members, Pool, PoolState, Protocol, Timeouts,
    balancer,
};
use crate::config::pool as config;
use crate::state::State;
use crate::upstream::{Peer, PeerTls, PoolTls};
pub use resolve::{keep_resolved, resolve_unknown};

/// A pool that has host names among its endpoints.
#[derive(Clone)]
pub struct Lookup {
    /// The pool.
    pub pool: Arc<Pool>,
    /// What its members are made of.
    pub source: Source,
    /// How often the names are looked up again.
    pub every: Duration,
}

/// What the members of a pool are made of, once its names are resolved.
#[derive(Clone)]
pub struct Source {
    /// The pool's name.
    pub pool: Arc<str>,
    /// How an endpoint is chosen.
    pub balancer: config::Balancer,
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

/// What is known about host names: the addresses of each.
pub type Resolved = BTreeMap<String, Vec<IpAddr>>;

impl Source {
    /// Whether there are host names to look up.
    pub fn has_names(&self) -> bool {
        self.names().next().is_some()
    }

    /// The host names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.endpoints
            .iter()
            .filter_map(|spot| match &spot.address {
                WrittenAddress::Named { host, .. } => Some(host.as_str()),
                WrittenAddress::Known(_) => None,
            })
    }

    /// Whether what is known about the names makes other endpoints than these.
    pub fn differs(&self, resolved: &Resolved, members: &Members) -> bool {
        let now = members
            .endpoints
            .iter()
            .map(|endpoint| endpoint.address().clone());
        let mut wanted = Vec::new();
        for spot in &self.endpoints {
            match &spot.address {
                WrittenAddress::Known(address) => wanted.push(address.clone()),
                WrittenAddress::Named { host, port } => {
                    let found = resolved.get(host).into_iter().flatten();
                    wanted.extend(found.map(|ip| Address::Inet((*ip, *port).into())));
                }
            }
        }
        !now.eq(wanted)
    }

    /// The members, with every address of a name as an endpoint of its own. Names that are not resolved give none.
    pub fn members(&self, resolved: &Resolved, state: &State) -> Members {
        let mut endpoints: Vec<Arc<Endpoint>> = Vec::with_capacity(self.endpoints.len());
        for spot in &self.endpoints {
            match &spot.address {
                WrittenAddress::Known(address) => {
                    endpoints.extend(self.endpoint(address.clone(), None, spot, state))
                }
                WrittenAddress::Named { host, port } => {
                    for ip in resolved.get(host).into_iter().flatten() {
                        let address = Address::Inet((*ip, *port).into());
                        endpoints.extend(self.endpoint(address, Some(host), spot, state));
                    }
                }
            }
        }
        Members::new(endpoints.into_boxed_slice(), |endpoints| {
            balancer::build(&self.balancer, endpoints)
        })
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
        let memory = state.endpoints.get_or_create(key, EndpointState::default);
        Some(Arc::new(Endpoint {
            metrics: state.metrics.endpoint(&self.pool, &name),
            guards: self.guards(&name, &memory, state),
            state: memory,
            health: Arc::clone(&self.rules.health),
            breaker: Arc::clone(&self.rules.breaker),
            slow_start: self.rules.slow_start,
            pool: Arc::clone(&self.memory),
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
