//! What do an old process and its successor say to each other? The successor begins; each message is JSON, and a field that
//! one of them does not know is passed over, because they may be of different versions.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::pool::discovery::Instance;
use crate::pool::sticky::Secret;
use crate::tls::TicketKeys;

/// What the successor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "say")]
pub enum FromNew {
    /// It is there, and wants the sockets.
    Hello {
        /// Its version.
        version: String,
    },
    /// It can't take over, and ends.
    Failed {
        /// Why.
        reason: String,
    },
    /// It has everything it needs: configuration, certificates, sockets.
    Ready {
        /// The keys of the doors whose sockets it has taken.
        doors: Vec<String>,
    },
    /// It accepts.
    Serving,
    /// The files that lead to the process, control socket and PID file, are its own.
    Settled,
    /// The old process's logs were moved away.
    Reopen,
    /// Both are to end.
    Stop,
}

/// What the old process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "say")]
pub enum FromOld {
    /// Sockets; their descriptors come with the message, in this order.
    Sockets {
        /// Whose they are: one for each descriptor.
        sockets: Vec<SocketOf>,
    },
    /// What is remembered. It comes after all sockets.
    Memory(Box<Memory>),
    /// The successor may accept.
    Go,
    /// The old process lets nobody in any more.
    Leaving {
        /// Connections that it, and processes before it, still have.
        connections: usize,
    },
}

/// What a handed-over socket is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketOf {
    /// The key of its door.
    pub door: String,
    /// Where it really is.
    pub address: String,
    /// Whether whoever started the first process keeps it.
    #[serde(default)]
    pub passed: bool,
}

/// What is cheap to hand over, and dear to lose.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The number of the old process's generation; the successor counts on.
    pub generation: u64,
    /// Whether the operator wants no new requests here.
    pub drained: bool,
    /// What host names resolved to.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// What services (SRV records) resolved to.
    pub services: BTreeMap<String, Vec<Instance>>,
    /// Whether endpoints are healthy by their checks, by pool and address.
    pub verdicts: BTreeMap<String, BTreeMap<String, bool>>,
    /// The keys of TLS tickets, by listener.
    pub tickets: BTreeMap<String, TicketKeys>,
    /// Endpoints to which the operator wants no new request to go.
    pub drained_endpoints: Vec<EndpointOf>,
    /// What cookies are signed with where no secret is given; not there if none was ever needed.
    pub sticky: Option<Secret>,
}

/// An endpoint of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointOf {
    /// The pool's name.
    pub pool: String,
    /// The endpoint's address.
    pub address: String,
}
