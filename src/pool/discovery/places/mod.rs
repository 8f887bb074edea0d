//! Which endpoints does what is written stand for, by what is known about the names in it?

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use super::{Instance, Question, Resolved, Source, Spot, host_value};
use crate::pool::address::WrittenAddress;
use crate::pool::{Address, Members};

/// The largest weight of an endpoint.
const MOST_WEIGHT: u16 = 1_000;

/// An endpoint that there should be.
pub(super) struct Place<'a> {
    /// Where it is.
    pub(super) address: Address,
    /// The host name it was found by.
    pub(super) host: Option<&'a str>,
    /// What is said about it: written, or by its SRV record.
    pub(super) spot: Cow<'a, Spot>,
}

impl Source {
    /// What has to be asked.
    pub fn questions(&self) -> impl Iterator<Item = Question> {
        let addresses = self.endpoints.iter().map(|spot| &spot.address);
        addresses.filter_map(Question::of)
    }

    /// Whether what is known about the names makes other endpoints than these.
    pub fn differs(&self, resolved: &Resolved, members: &Members) -> bool {
        let places = self.places(resolved);
        places.len() != members.endpoints.len()
            || places.iter().zip(&members.endpoints).any(|(place, now)| {
                place.address != *now.address()
                    || place.spot.weight != now.weight
                    || place.spot.priority != now.priority
                    || host_value(place.host, &place.address) != now.host
            })
    }

    /// The endpoints that there should be, in the order of the configuration and of the addresses. Where names lead to
    /// the same address, it is one endpoint: what stands first says how it is used.
    pub(super) fn places<'a>(&'a self, resolved: &'a Resolved) -> Vec<Place<'a>> {
        let mut places = Vec::with_capacity(self.endpoints.len());
        for spot in &self.endpoints {
            match &spot.address {
                WrittenAddress::Known(address) => places.push(Place {
                    address: address.clone(),
                    host: None,
                    spot: Cow::Borrowed(spot),
                }),
                WrittenAddress::Named { host, port } => {
                    let found = resolved.hosts.get(host).into_iter().flatten();
                    places.extend(found.map(|ip| Place {
                        address: Address::Inet((*ip, *port).into()),
                        host: Some(host),
                        spot: Cow::Borrowed(spot),
                    }));
                }
                WrittenAddress::Service { name } => {
                    let instances = resolved.services.get(name).map_or(&[][..], Vec::as_slice);
                    for (instance, spot) in placed(spot, instances) {
                        places.extend(instance.addresses.iter().map(|ip| Place {
                            address: Address::Inet((*ip, instance.port).into()),
                            host: Some(&instance.host),
                            spot: Cow::Owned(spot.clone()),
                        }));
                    }
                }
            }
        }
        let mut seen = HashSet::with_capacity(places.len());
        places.retain(|place| seen.insert(place.address.clone()));
        places
    }
}

/// The instances of a service with their priority and weight as endpoints (RFC 2782). The lowest SRV priority becomes the
/// written one, each higher one the next number after it. Weights are times the written one; where one of a priority would
/// be over 1000, all of that priority are scaled down so that it is 1000.
fn placed<'a>(
    written: &Spot,
    instances: &'a [Instance],
) -> impl Iterator<Item = (&'a Instance, Spot)> {
    // The largest weight of each priority.
    let mut largest: BTreeMap<u16, u64> = BTreeMap::new();
    for one in instances {
        let largest = largest.entry(one.priority).or_default();
        *largest = (*largest).max(one.weight.into());
    }
    let factor = u64::from(written.weight);
    let tiers: Vec<(u16, u64)> = largest.into_iter().collect();
    instances.iter().filter_map(move |one| {
        let tier = tiers
            .iter()
            .position(|(priority, _)| *priority == one.priority)?;
        let weight = scaled(one.weight.into(), tiers[tier].1, factor);
        let tier = u8::try_from(tier).unwrap_or(u8::MAX);
        let spot = Spot {
            weight,
            priority: written.priority.saturating_add(tier),
            ..written.clone()
        };
        Some((one, spot))
    })
}

/// A weight of 0 is the smallest there is beside larger ones, and as good as any where there are none: at least 1, unless
/// the written weight says that nothing is to be sent.
fn scaled(weight: u64, largest: u64, factor: u64) -> u16 {
    if factor == 0 {
        return 0;
    }
    let most = u64::from(MOST_WEIGHT);
    let (weight, largest) = if largest == 0 {
        (factor, factor)
    } else {
        (weight * factor, largest * factor)
    };
    let weight = if largest > most {
        (weight * most).div_ceil(largest)
    } else {
        weight
    };
    u16::try_from(weight.max(1)).unwrap_or(MOST_WEIGHT)
}

#[cfg(test)]
mod tests;
