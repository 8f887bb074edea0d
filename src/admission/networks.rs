//! Is an address in one of very many networks?
//!
//! Networks become disjoint ranges, sorted by where they begin, IPv4 apart from IPv6. A look-up is one binary search over
//! numbers that stand side by side: 17 steps among 100,000 networks.

use std::net::IpAddr;

use ipnet::IpNet;

/// Addresses, written as networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSet {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl NetworkSet {
    /// The addresses in all of `networks`, which may overlap.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network {
                IpNet::V4(network) => {
                    v4.push((u32::from(network.network()), u32::from(network.broadcast())))
                }
                IpNet::V6(network) => v6.push((
                    u128::from(network.network()),
                    u128::from(network.broadcast()),
                )),
            }
        }
        Self {
            v4: Ranges::new(v4),
            v6: Ranges::new(v6),
        }
    }

    /// Whether there is no address in it.
    pub fn is_empty(&self) -> bool {
        self.v4.first.is_empty() && self.v6.first.is_empty()
    }

    /// Whether `address` is in it. An IPv4-mapped IPv6 address counts as the IPv4 address it holds, as a socket for both
    /// families gives it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.contains(u32::from(address)),
            IpAddr::V6(address) => self.v6.contains(u128::from(address)),
        }
    }
}

/// Disjoint ranges, sorted: where each begins, and with which number it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ranges<N> {
    first: Box<[N]>,
    last: Box<[N]>,
}

impl<N: Copy + Ord> Ranges<N> {
    fn new(mut ranges: Vec<(N, N)>) -> Self {
        ranges.sort_unstable();
        // Networks are one inside the other, or apart.
        ranges.dedup_by(|next, before| next.1 <= before.1);
        Self {
            first: ranges.iter().map(|range| range.0).collect(),
            last: ranges.iter().map(|range| range.1).collect(),
        }
    }

    fn contains(&self, number: N) -> bool {
        let begun = self.first.partition_point(|first| *first <= number);
        begun
            .checked_sub(1)
            .and_then(|index| self.last.get(index))
            .is_some_and(|last| number <= *last)
    }
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    /// It is neither an address nor a network.
    #[error("`{0}` is not an address or a network")]
    Unreadable(String),
    /// Bits are set behind the prefix.
    #[error("`{written}` has bits set behind its prefix")]
    HostBits {
        /// What was written.
        written: String,
        /// The network it is in.
        network: IpNet,
    },
}

impl InvalidNetwork {
    /// What to write instead.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable(_) => "write an address, or a network as `10.0.0.0/8`".to_owned(),
            Self::HostBits { network, .. } => {
                format!("write `{network}` for the network, or the address without its prefix")
            }
        }
    }
}

/// Reads an address, which stands for itself alone, or a network in the notation of CIDR (RFC 4632 §3.1).
///
/// # Errors
///
/// It is neither, or bits are set behind the prefix: a slip often enough that the reader would let in too many or too few.
pub fn parse(text: &str) -> Result<IpNet, InvalidNetwork> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let written: IpNet = text
        .parse()
        .map_err(|_| InvalidNetwork::Unreadable(text.escape_debug().to_string()))?;
    let network = written.trunc();
    if network == written {
        Ok(network)
    } else {
        Err(InvalidNetwork::HostBits {
            written: text.to_owned(),
            network,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(networks: &[&str]) -> NetworkSet {
        NetworkSet::new(networks.iter().map(|text| parse(text).expect(text)))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn the_first_and_the_last_address_of_a_network_are_in_it_and_their_neighbours_are_not() {
        let set = set(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "192.0.2.7",
            "::ffff:10.1.2.3",
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            assert!(set.contains(ip(inside)), "{inside}");
        }
        for outside in [
            "9.255.255.255",
            "11.0.0.0",
            "192.0.2.6",
            "192.0.2.8",
            "2001:db7:ffff::",
            "2001:db9::",
        ] {
            assert!(!set.contains(ip(outside)), "{outside}");
        }
    }

    #[test]
    fn everything_and_nothing_are_sets_as_well() {
        let all = set(&["0.0.0.0/0", "::/0"]);
        for address in ["0.0.0.0", "255.255.255.255", "::", "ffff::1"] {
            assert!(all.contains(ip(address)), "{address}");
            assert!(!NetworkSet::default().contains(ip(address)), "{address}");
        }
        assert!(NetworkSet::default().is_empty());
        assert!(!all.is_empty());
    }

    #[test]
    fn a_network_inside_another_one_ends_neither() {
        let set = set(&["10.0.0.0/8", "10.0.0.0/24", "10.5.0.0/16", "12.0.0.0/8"]);
        for inside in ["10.0.1.0", "10.200.0.0", "12.0.0.1"] {
            assert!(set.contains(ip(inside)), "{inside}");
        }
        assert!(!set.contains(ip("11.0.0.0")));
    }

    #[test]
    fn bits_behind_the_prefix_are_refused_with_the_network_that_was_meant() {
        let error = parse("10.1.2.3/8").expect_err("host bits");
        assert!(error.hint().contains("`10.0.0.0/8`"), "{}", error.hint());
        for text in ["", "10.0.0.0/33", "10.0.0", "example.com", "::1/129"] {
            assert!(
                matches!(parse(text), Err(InvalidNetwork::Unreadable(_))),
                "{text}"
            );
        }
    }
}
