//! What do the name servers say? Each is tried in turn, as the system's resolver does it (resolv.conf(5)), beginning with
//! the one that answered last. hickory does what goes over the wire: random ports and numbers, and TCP where a datagram
//! was too short.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{DnsRequestOptions, DnsResponse, Query};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};

use super::records::{Chased, Records, Sought, chase};
use super::{Settings, Trouble};

/// Name servers, and what is put behind names.
pub(super) struct NameServers {
    servers: Box<[NameServer]>,
    /// The one that answered last.
    first: AtomicUsize,
    search: Vec<Name>,
    /// A name with fewer dots is tried with the search domains before it is tried alone.
    dots: usize,
    timeout: Duration,
    attempts: u8,
}

struct NameServer {
    address: SocketAddr,
    /// hickory's pool of one: how it would choose among several is not how the system's resolver does.
    connections: NameServerPool<TokioRuntimeProvider>,
}

impl NameServers {
    /// These and no search domains.
    pub(super) fn given(servers: &[SocketAddr], settings: &Settings) -> Self {
        Self::new(servers, Vec::new(), 0, settings)
    }

    /// These and the search domains of resolv.conf.
    pub(super) fn new(
        servers: &[SocketAddr],
        search: Vec<Name>,
        dots: usize,
        settings: &Settings,
    ) -> Self {
        Self {
            servers: servers
                .iter()
                .filter_map(|address| NameServer::new(*address, settings.timeout))
                .collect(),
            first: AtomicUsize::new(0),
            search,
            dots,
            timeout: settings.timeout,
            attempts: settings.attempts,
        }
    }

    /// The whole names that a written one may mean, in the order in which they are asked for.
    ///
    /// # Errors
    ///
    /// It is not a name.
    pub(super) fn candidates(&self, written: &str) -> Result<Vec<Name>, Trouble> {
        let bad = |error| Trouble::Failed(format!("it is not a name: {error}"));
        let name = Name::from_ascii(written).map_err(bad)?;
        if name.is_fqdn() {
            return Ok(vec![name]);
        }
        // What is too long with its domain is none.
        let searched = |domain| name.clone().append_domain(domain).ok();
        let mut candidates: Vec<Name> = self.search.iter().filter_map(searched).collect();
        let mut alone = name.clone();
        alone.set_fqdn(true);
        let dots = written.bytes().filter(|byte| *byte == b'.').count();
        let place = if dots < self.dots {
            candidates.len()
        } else {
            0
        };
        candidates.insert(place, alone);
        Ok(candidates)
    }

    /// The records of this type, with the aliases on the way to them followed.
    ///
    /// # Errors
    ///
    /// [`Trouble::NoRecords`] if a name server says that there are none, else what kept them all from answering.
    pub(super) async fn ask(&self, name: &Name, kind: RecordType) -> Result<Records, Trouble> {
        let mut sought = Sought::from(name.clone());
        loop {
            let response = self.one_answer(&sought.name, kind).await?;
            match chase(&response, sought, kind) {
                Chased::Records(records) => return Ok(records),
                Chased::Nothing => return Err(Trouble::NoRecords),
                Chased::Alias(alias) => sought = alias,
                Chased::TooManyAliases => {
                    return Err(Trouble::Failed("too many aliases".to_owned()));
                }
            }
        }
    }

    async fn one_answer(&self, name: &Name, kind: RecordType) -> Result<DnsResponse, Trouble> {
        let first = self.first.load(Ordering::Relaxed);
        let count = self.servers.len();
        let mut trouble = Trouble::Failed("there is no name server".to_owned());
        for turn in 0..count * usize::from(self.attempts) {
            let number = (first + turn) % count;
            let server = &self.servers[number];
            match server.ask(name, kind, self.timeout).await {
                Err(Trouble::Failed(why)) => {
                    log::debug!("{name} {kind}: name server {}: {why}", server.address);
                    trouble = Trouble::Failed(format!("name server {}: {why}", server.address));
                }
                answer => {
                    self.first.store(number, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(trouble)
    }
}

impl NameServer {
    fn new(address: SocketAddr, timeout: Duration) -> Option<Self> {
        let [mut udp, mut tcp] = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        udp.port = address.port();
        tcp.port = address.port();
        let config = NameServerConfig::new(address.ip(), true, vec![udp, tcp]);
        let mut options = ResolverOpts::default();
        options.timeout = timeout;
        // Without TLS nothing in it can fail.
        let tls = TlsConfig::new()
            .inspect_err(|error| log::error!("name server {address}: {error}"))
            .ok()?;
        let context = Arc::new(PoolContext::new(options, tls));
        let provider = TokioRuntimeProvider::default();
        Some(Self {
            address,
            connections: NameServerPool::from_config([config], context, provider),
        })
    }

    async fn ask(
        &self,
        name: &Name,
        kind: RecordType,
        timeout: Duration,
    ) -> Result<DnsResponse, Trouble> {
        let query = Query::query(name.clone(), kind);
        let answer = self.connections.lookup(query, DnsRequestOptions::default());
        match tokio::time::timeout(timeout, answer.first_answer()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(_)))) => Err(Trouble::NoRecords),
            Ok(Err(error)) => Err(Trouble::Failed(error.to_string())),
            Err(_) => Err(Trouble::Failed(format!("no answer within {timeout:?}"))),
        }
    }
}

/// Where the local name server listens: who is asked when nobody is named (resolv.conf(5)).
pub(super) const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 53);
