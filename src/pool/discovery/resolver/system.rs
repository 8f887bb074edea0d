//! What do /etc/hosts and /etc/resolv.conf say? They are read when they are needed, and again when they have changed.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hickory_resolver::Hosts;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;

use super::Settings;
use super::name_servers::{LOCAL, NameServers};

/// How often they are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The machine's own idea of names.
pub(super) struct System {
    hosts: Watched<Arc<Hosts>>,
    resolv_conf: Watched<Arc<NameServers>>,
}

impl System {
    /// By the files where they usually are.
    pub(super) fn new() -> Self {
        Self::by(Path::new("/etc/hosts"), Path::new("/etc/resolv.conf"))
    }

    /// By these files.
    pub(super) fn by(hosts: &Path, resolv_conf: &Path) -> Self {
        Self {
            hosts: Watched::new(hosts),
            resolv_conf: Watched::new(resolv_conf),
        }
    }

    /// The addresses that the hosts file gives to a name; `None` if it has none.
    pub(super) fn hosts(&self, name: &str) -> Option<Vec<IpAddr>> {
        let hosts = self
            .hosts
            .value(Instant::now(), |path| Arc::new(read_hosts(path)));
        let name = Name::from_ascii(name).ok()?;
        let mut addresses = Vec::new();
        for kind in [RecordType::A, RecordType::AAAA] {
            let known = hosts.lookup_static_host(&Query::query(name.clone(), kind));
            let records = known.iter().flat_map(|lookup| lookup.answers());
            addresses.extend(records.filter_map(|record| record.data.ip_addr()));
        }
        (!addresses.is_empty()).then_some(addresses)
    }

    /// Who is to be asked.
    pub(super) fn name_servers(&self, settings: &Settings) -> Arc<NameServers> {
        self.resolv_conf.value(Instant::now(), |path| {
            Arc::new(read_resolv_conf(path, settings))
        })
    }
}

fn read_hosts(path: &Path) -> Hosts {
    let mut hosts = Hosts::default();
    let read = fs::File::open(path).and_then(|file| hosts.read_hosts_conf(file));
    if let Err(error) = read {
        // A machine may well be without.
        log::debug!("resolver: {}: {error}", path.display());
    }
    hosts
}

pub(super) fn read_resolv_conf(path: &Path, settings: &Settings) -> NameServers {
    let parsed = fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|text| parse_resolv_conf(text).map_err(|error| error.to_string()));
    match parsed {
        Ok((config, options)) => {
            let server = |ip| SocketAddr::new(ip, LOCAL.port());
            let servers = config.name_servers.iter().map(|one| server(one.ip));
            let servers: Vec<SocketAddr> = servers.collect();
            NameServers::new(&servers, config.search, options.ndots, settings)
        }
        Err(error) => {
            let path = path.display();
            log::warn!("resolver: {path}: {error}; the name server at {LOCAL} is asked");
            NameServers::given(&[LOCAL], settings)
        }
    }
}

/// What a file says.
pub(super) struct Watched<T> {
    path: PathBuf,
    read: Mutex<Option<Read<T>>>,
}

struct Read<T> {
    looked: Instant,
    stamp: Option<Stamp>,
    value: T,
}

/// What is different when a file is: when it was changed, its size and its number.
type Stamp = (SystemTime, u64, u64);

impl<T: Clone> Watched<T> {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            read: Mutex::new(None),
        }
    }

    /// It, as it is now; read by `parse` if it was not yet, or has changed.
    pub(super) fn value(&self, now: Instant, parse: impl FnOnce(&Path) -> T) -> T {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &mut *read {
            if now.saturating_duration_since(read.looked) < LOOK_EVERY {
                return read.value.clone();
            }
            read.looked = now;
            if read.stamp == stamp(&self.path) {
                return read.value.clone();
            }
        }
        // The stamp first: what is written in between is seen the next time.
        let stamp = stamp(&self.path);
        let value = parse(&self.path);
        *read = Some(Read {
            looked: now,
            stamp,
            value: value.clone(),
        });
        value
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len(), file.ino()))
}
