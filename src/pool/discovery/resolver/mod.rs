//! Which addresses does a host name have, and which instances a service?

mod name_servers;
mod records;
mod system;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt};
use hickory_resolver::proto::rr::{RData, RecordType};

use super::question::{Found, Instance, Question, Resolved};
use name_servers::NameServers;
use records::Records;
use system::System;

/// How long a look-up may take, whatever it consists of.
pub const LOOKUP_LIMIT: Duration = Duration::from_secs(10);
/// How many addresses a name may have; more are left out.
pub const MOST_ADDRESSES: usize = 1_000;
/// How many hosts of one service are looked up side by side.
const HOSTS_AT_ONCE: usize = 64;
/// How long what does not come from a name server is good. Whoever asks has a limit of its own.
const NO_TTL: Duration = Duration::from_secs(u32::MAX as u64);

/// How look-ups are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who is asked; `None` for what the machine's files say.
    pub servers: Option<Vec<SocketAddr>>,
    /// How long one try at one name server may take.
    pub timeout: Duration,
    /// How often each is tried.
    pub attempts: u8,
}

/// Asks for host names. Nothing is remembered but the machine's files: when to ask again is up to the caller.
pub struct Resolver {
    /// How.
    pub settings: Settings,
    source: Source,
}

enum Source {
    Given(Arc<NameServers>),
    System(System),
}

/// What a look-up found.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// It.
    pub found: T,
    /// How long it is good, by those who said it.
    pub ttl: Duration,
    /// What could not be looked up while the rest could; what was known about it before stands in its place.
    pub missing: Option<String>,
    /// How many addresses were left out because there were too many.
    pub left_out: usize,
}

/// Why a look-up found nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is no such name, or nothing is known by it.
    #[error("there is no address for it")]
    NoRecords,
    /// Nobody could say.
    #[error("{0}")]
    Failed(String),
}

impl Resolver {
    /// A resolver. No file is read and nobody is asked before the first look-up.
    pub fn new(settings: Settings) -> Self {
        let source = match &settings.servers {
            Some(servers) => Source::Given(Arc::new(NameServers::given(servers, &settings))),
            None => Source::System(System::new()),
        };
        Self { settings, source }
    }

    /// Looks it up. For what can't be looked up while the rest can, `known` stands in.
    ///
    /// # Errors
    ///
    /// [`Trouble`] if nothing was found, or not within [`LOOKUP_LIMIT`].
    pub async fn look_up(
        &self,
        question: &Question,
        known: &Resolved,
    ) -> Result<Answer<Found>, Trouble> {
        let look_up = async {
            match question {
                Question::Host(name) => {
                    let known = known.hosts.get(name).map_or(&[][..], Vec::as_slice);
                    let answer = self.host(name, known).await?;
                    Ok(answer.map(Found::Addresses))
                }
                Question::Service(name) => {
                    let known = known.services.get(name).map_or(&[][..], Vec::as_slice);
                    let answer = self.service(name, known).await?;
                    Ok(answer.map(Found::Instances))
                }
            }
        };
        match tokio::time::timeout(LOOKUP_LIMIT, look_up).await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble::Failed(format!(
                "no answer within {LOOKUP_LIMIT:?}"
            ))),
        }
    }

    /// The addresses of a host.
    async fn host(&self, name: &str, known: &[IpAddr]) -> Result<Answer<Vec<IpAddr>>, Trouble> {
        if let Some(addresses) = self.without_asking(name) {
            return Ok(bounded(addresses, NO_TTL, None));
        }
        let servers = self.name_servers();
        for name in servers.candidates(name)? {
            // Both at once, and both are used.
            let v4 = pin!(servers.ask(&name, RecordType::A));
            let v6 = pin!(servers.ask(&name, RecordType::AAAA));
            let (v4, v6) = match select(v4, v6).await {
                Either::Left((v4, v6)) => {
                    let v6 = self.other_family(&v4, v6).await;
                    (v4, v6)
                }
                Either::Right((v6, v4)) => {
                    let v4 = self.other_family(&v6, v4).await;
                    (v4, v6)
                }
            };
            if let Some(answer) = both_families(v4, v6, known)? {
                return Ok(answer);
            }
        }
        Err(Trouble::NoRecords)
    }

    /// Waits for the answer about the other family: when one is known, no longer than for one try. There are networks
    /// where nobody ever says a word about AAAA records.
    async fn other_family(
        &self,
        first: &Result<Records, Trouble>,
        other: impl Future<Output = Result<Records, Trouble>>,
    ) -> Result<Records, Trouble> {
        if first.is_err() {
            return other.await;
        }
        let limit = self.settings.timeout;
        let other = tokio::time::timeout(limit, other).await;
        other.unwrap_or_else(|_| Err(Trouble::Failed(format!("no answer within {limit:?}"))))
    }

    /// What /etc/hosts says about it, in either family: then nobody is asked about the other. And `localhost` (RFC 6761).
    fn without_asking(&self, name: &str) -> Option<Vec<IpAddr>> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Source::System(system) = &self.source
            && let Some(addresses) = system.hosts(name)
        {
            return Some(addresses);
        }
        let is_local = name == "localhost" || name.ends_with(".localhost");
        is_local.then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
    }

    fn name_servers(&self) -> Arc<NameServers> {
        match &self.source {
            Source::Given(servers) => Arc::clone(servers),
            Source::System(system) => system.name_servers(&self.settings),
        }
    }

    /// The instances of a service.
    async fn service(
        &self,
        name: &str,
        known: &[Instance],
    ) -> Result<Answer<Vec<Instance>>, Trouble> {
        let servers = self.name_servers();
        for name in servers.candidates(name)? {
            match servers.ask(&name, RecordType::SRV).await {
                Ok(records) => return self.instances(&records, known).await,
                Err(Trouble::NoRecords) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Err(Trouble::NoRecords)
    }

    /// Finds the addresses of the hosts that SRV records name.
    async fn instances(
        &self,
        records: &Records,
        known: &[Instance],
    ) -> Result<Answer<Vec<Instance>>, Trouble> {
        let (mut instances, mut left_out) = named_by(records);
        let hosts: BTreeSet<&str> = instances.iter().map(|one| &*one.host).collect();
        let known: BTreeMap<&str, &[IpAddr]> = known
            .iter()
            // Of records with the same host the first has all its addresses, should there be no room for all.
            .rev()
            .map(|one| (&*one.host, &*one.addresses))
            .collect();
        let asked = hosts.into_iter().map(async |host| {
            let given = records.beside(host);
            if !given.found.is_empty() {
                return (host.to_owned(), Ok(given));
            }
            let before = known.get(host).copied().unwrap_or_default();
            // With the dot: it is a whole name, without search domains.
            let answer = self.host(&format!("{host}."), before).await;
            let answer = match answer {
                Err(trouble) if !before.is_empty() => Ok(Answer {
                    found: before.to_vec(),
                    ttl: records.ttl,
                    missing: Some(trouble.to_string()),
                    left_out: 0,
                }),
                answer => answer,
            };
            (host.to_owned(), answer)
        });
        let asked: Vec<_> = asked.collect();
        let mut answers: BTreeMap<String, Result<Answer<Vec<IpAddr>>, Trouble>> =
            stream::iter(asked)
                .buffer_unordered(HOSTS_AT_ONCE)
                .collect()
                .await;
        let mut ttl = records.ttl;
        let mut missing = None;
        for (host, answer) in &mut answers {
            let trouble = match answer {
                Ok(answer) => {
                    ttl = ttl.min(answer.ttl);
                    answer.missing.take()
                }
                Err(trouble) => Some(trouble.to_string()),
            };
            missing = missing.or(trouble.map(|trouble| format!("{host}: {trouble}")));
        }
        let mut room = MOST_ADDRESSES;
        for instance in &mut instances {
            if let Some(Ok(answer)) = answers.get(&instance.host) {
                let taken = answer.found.len().min(room);
                room -= taken;
                left_out += answer.left_out + answer.found.len() - taken;
                instance.addresses = answer.found[..taken].to_vec();
            }
        }
        instances.retain(|instance| !instance.addresses.is_empty());
        if instances.is_empty() {
            return Err(missing.map_or(Trouble::NoRecords, Trouble::Failed));
        }
        Ok(Answer {
            found: instances,
            ttl,
            missing,
            left_out,
        })
    }
}

impl<T> Answer<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        let Self {
            found,
            ttl,
            missing,
            left_out,
        } = self;
        Answer {
            found: change(found),
            ttl,
            missing,
            left_out,
        }
    }
}

/// What SRV records say, sorted and without addresses; and how many were left out. A host called `.` says that there is
/// no such service (RFC 2782).
fn named_by(records: &Records) -> (Vec<Instance>, usize) {
    let srv = records.found.iter().filter_map(|data| match data {
        RData::SRV(srv) if !srv.target.is_root() => Some(Instance {
            priority: srv.priority,
            host: records::text(&srv.target),
            port: srv.port,
            weight: srv.weight,
            addresses: Vec::new(),
        }),
        _ => None,
    });
    let mut instances: Vec<Instance> = srv.filter(|one| one.port != 0).collect();
    instances.sort_unstable();
    instances.dedup_by(|one, other| {
        (one.priority, &one.host, one.port) == (other.priority, &other.host, other.port)
    });
    let left_out = instances.len().saturating_sub(MOST_ADDRESSES);
    instances.truncate(MOST_ADDRESSES);
    (instances, left_out)
}

/// The addresses of both families; `None` if the name has none. Of a family that could not be asked about while the
/// other could, what was known before is kept.
fn both_families(
    v4: Result<Records, Trouble>,
    v6: Result<Records, Trouble>,
    known: &[IpAddr],
) -> Result<Option<Answer<Vec<IpAddr>>>, Trouble> {
    let mut addresses = Vec::new();
    let mut ttl = NO_TTL;
    let mut trouble = None;
    for (family, is_v4) in [(v4, true), (v6, false)] {
        match family {
            Ok(records) => {
                ttl = ttl.min(records.ttl);
                addresses.extend(records.found.iter().filter_map(records::usable_address));
            }
            Err(Trouble::NoRecords) => {}
            Err(Trouble::Failed(why)) => trouble = Some((is_v4, why)),
        }
    }
    match trouble {
        None if addresses.is_empty() => Ok(None),
        None => Ok(Some(bounded(addresses, ttl, None))),
        Some((_, why)) if addresses.is_empty() => Err(Trouble::Failed(why)),
        Some((is_v4, why)) => {
            addresses.extend(known.iter().filter(|ip| ip.is_ipv4() == is_v4));
            let family = if is_v4 { "IPv4" } else { "IPv6" };
            Ok(Some(bounded(
                addresses,
                ttl,
                Some(format!("{family}: {why}")),
            )))
        }
    }
}

/// Sorted, each once, and not too many.
fn bounded(
    mut addresses: Vec<IpAddr>,
    ttl: Duration,
    missing: Option<String>,
) -> Answer<Vec<IpAddr>> {
    addresses.sort_unstable();
    addresses.dedup();
    let left_out = addresses.len().saturating_sub(MOST_ADDRESSES);
    addresses.truncate(MOST_ADDRESSES);
    Answer {
        found: addresses,
        ttl,
        missing,
        left_out,
    }
}
