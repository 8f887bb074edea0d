//! What is looked up, and what is known about it?

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::pool::address::WrittenAddress;

/// What is looked up for an endpoint; every pool that asks the same gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// The addresses of a host (A and AAAA records).
    Host(String),
    /// The instances of a service (SRV records).
    Service(String),
}

impl Question {
    /// What has to be asked before there is an endpoint at `address`; `None` if nothing has.
    pub fn of(address: &WrittenAddress) -> Option<Self> {
        match address {
            WrittenAddress::Known(_) => None,
            WrittenAddress::Named { host, .. } => Some(Self::Host(host.clone())),
            WrittenAddress::Service { name } => Some(Self::Service(name.clone())),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Service(name) => write!(f, "srv:{name}"),
        }
    }
}

/// One SRV record, with the addresses of the host it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instance {
    /// Lower numbers first.
    pub priority: u16,
    /// The host's name, without the dot at its end.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The share among records of the same priority.
    pub weight: u16,
    /// The host's addresses, sorted, each once.
    pub addresses: Vec<IpAddr>,
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            priority,
            host,
            port,
            weight,
            addresses,
        } = self;
        write!(
            f,
            "{host}:{port} {addresses:?} (priority {priority}, weight {weight})"
        )
    }
}

/// The answer to a [`Question`], sorted: name servers turn the order of their records from answer to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The addresses of a host.
    Addresses(Vec<IpAddr>),
    /// The instances of a service.
    Instances(Vec<Instance>),
}

/// How many things an answer names in a line of the log.
const TOLD: usize = 10;

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (told, count): (Vec<String>, usize) = match self {
            Self::Addresses(all) => {
                let told = all.iter().take(TOLD).map(ToString::to_string);
                (told.collect(), all.len())
            }
            Self::Instances(all) => {
                let told = all.iter().take(TOLD).map(ToString::to_string);
                (told.collect(), all.len())
            }
        };
        f.write_str(&told.join(", "))?;
        match count.saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Everything that is known, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The addresses of hosts.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// The instances of services.
    pub services: BTreeMap<String, Vec<Instance>>,
}

impl Resolved {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many addresses are known for it; `None` if there never was an answer.
    pub fn addresses(&self, question: &Question) -> Option<usize> {
        match question {
            Question::Host(name) => self.hosts.get(name).map(Vec::len),
            Question::Service(name) => {
                let instances = self.services.get(name)?.iter();
                Some(instances.map(|instance| instance.addresses.len()).sum())
            }
        }
    }

    /// Whether there ever was an answer.
    pub fn has(&self, question: &Question) -> bool {
        match question {
            Question::Host(name) => self.hosts.contains_key(name),
            Question::Service(name) => self.services.contains_key(name),
        }
    }
}
