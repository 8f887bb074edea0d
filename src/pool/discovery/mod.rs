//! Which addresses does a pool have now? Written ones at once; host names as the system's resolver answers, looked up
//! by a background task and never by a request.

mod resolve;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::address::WrittenAddress;
use super::breaker::NeverOpens;
use super::endpoint::EndpointKey;
use super::health::Unchecked;
use super::{
    Address, Endpoint, EndpointState, Keepalive, Members, Pool, Protocol, Timeouts, balancer,
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
    /// Their addresses and weights.
    pub endpoints: Vec<(WrittenAddress, u16)>,
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
            .filter_map(|(address, _)| match address {
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
        for (written, _) in &self.endpoints {
            match written {
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
        for (written, weight) in &self.endpoints {
            match written {
                WrittenAddress::Known(address) => {
                    endpoints.extend(self.endpoint(address.clone(), None, *weight, state))
                }
                WrittenAddress::Named { host, port } => {
                    for ip in resolved.get(host).into_iter().flatten() {
                        let address = Address::Inet((*ip, *port).into());
                        endpoints.extend(self.endpoint(address, Some(host), *weight, state));
                    }
                }
            }
        }
        let endpoints = endpoints.into_boxed_slice();
        let balancer = balancer::build(self.balancer, &endpoints);
        Members::new(endpoints, balancer)
    }

    fn endpoint(
        &self,
        address: Address,
        host: Option<&str>,
        weight: u16,
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
        Some(Arc::new(Endpoint {
            metrics: state.metrics.endpoint(&self.pool, &name),
            state: state.endpoints.get_or_create(key, EndpointState::default),
            health: Box::new(Unchecked),
            breaker: Box::new(NeverOpens),
            host: host_value(host, &peer.address),
            name,
            weight,
            peer,
        }))
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
