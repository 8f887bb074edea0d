//! What is in a name server's answer?

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::proto::op::{DnsResponse, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::{Answer, bounded};

/// Records of one type.
pub(super) struct Records {
    /// What they say.
    pub(super) found: Vec<RData>,
    /// How long all of them, and the aliases on the way, are good.
    pub(super) ttl: Duration,
    /// What was told beside them.
    additional: Vec<Record>,
}

/// What an answer says about a name.
pub(super) enum Chased {
    /// There are records of the wanted type.
    Records(Records),
    /// There are none.
    Nothing,
    /// It is another name, about which the answer says no more; the name and the TTL so far.
    Alias(Name, u32),
}

/// Looks for records of a type, along the aliases in the answer. `ttl` is that of the aliases which led to `name`.
pub(super) fn chase(response: &DnsResponse, mut name: Name, kind: RecordType, ttl: u32) -> Chased {
    let mut ttl = ttl;
    // Each step uses a record up, so that aliases in a circle end.
    let mut aliases: Vec<&Record> = response.answers.iter().collect();
    let mut moved = false;
    loop {
        let mut found = Vec::new();
        for record in &response.answers {
            if record.name == name && record.record_type() == kind {
                found.push(record.data.clone());
                ttl = ttl.min(record.ttl);
            }
        }
        if !found.is_empty() {
            return Chased::Records(Records {
                found,
                ttl: seconds(ttl),
                additional: response.additionals.clone(),
            });
        }
        let alias = aliases
            .iter()
            .position(|record| record.name == name && matches!(record.data, RData::CNAME(_)));
        let Some(place) = alias else { break };
        let record = aliases.swap_remove(place);
        if let RData::CNAME(other) = &record.data {
            ttl = ttl.min(record.ttl);
            name = other.0.clone();
            moved = true;
        }
    }
    // Who says so with an SOA record (RFC 2308) has looked to the end of the chain.
    let is_final = response.response_code == ResponseCode::NXDomain
        || response
            .authorities
            .iter()
            .any(|record| record.record_type() == RecordType::SOA);
    if moved && !is_final {
        Chased::Alias(name, ttl)
    } else {
        Chased::Nothing
    }
}

impl Records {
    /// Records with nothing beside them.
    #[cfg(test)]
    pub(super) fn new(found: Vec<RData>, ttl: Duration) -> Self {
        Self {
            found,
            ttl,
            additional: Vec::new(),
        }
    }

    /// The addresses of a host that were told beside the records.
    pub(super) fn beside(&self, host: &str) -> Answer<Vec<IpAddr>> {
        let mut ttl = u32::MAX;
        let mut addresses = Vec::new();
        for record in &self.additional {
            if let Some(address) = usable_address(&record.data)
                && text(&record.name) == host
            {
                ttl = ttl.min(record.ttl);
                addresses.push(address);
            }
        }
        bounded(addresses, seconds(ttl), None)
    }
}

/// The address in an A or AAAA record, unless nothing can be there: a name server that blocks a name answers `0.0.0.0`,
/// where this machine would be found.
pub(super) fn usable_address(data: &RData) -> Option<IpAddr> {
    let address = data.ip_addr()?.to_canonical();
    (!address.is_unspecified() && !address.is_multicast()).then_some(address)
}

/// A name in lower case and without the dot at its end.
pub(super) fn text(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into())
}
