//! Is an address in one of very many networks?
//!
//! Networks become disjoint ranges, sorted by where they begin, IPv4 apart from IPv6. A look-up is one binary search over
//! numbers that stand side by side: 17 steps among 100,000 networks.

use std::cmp::Reverse;
use std::net::IpAddr;

use ipnet::IpNet;

/// Addresses, written as networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkSet {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl NetworkSet {
    /// The addresses in all of `networks`, which may overlap. An IPv4 address is in those of IPv4 only, be it written as
    /// IPv4-mapped IPv6.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match canonical(network) {
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

    /// Every address.
    pub fn everyone() -> Self {
        Self {
            v4: Ranges::new(vec![(u32::MIN, u32::MAX)]),
            v6: Ranges::new(vec![(u128::MIN, u128::MAX)]),
        }
    }

    /// Whether there is no address in it.
    pub fn is_empty(&self) -> bool {
        self.v4.first.is_empty() && self.v6.first.is_empty()
    }

    /// Whether every address of `other` is in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.v4.covers(&other.v4) && self.v6.covers(&other.v6)
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

/// A network of IPv4-mapped IPv6 addresses as the IPv4 network it stands for.
fn canonical(network: IpNet) -> IpNet {
    /// What stands before the IPv4 address in a mapped one (RFC 4291 §2.5.5.2).
    const MAPPED: u8 = 96;
    let IpNet::V6(mapped) = network else {
        return network;
    };
    let ipv4 = mapped.addr().to_ipv4_mapped();
    ipv4.zip(mapped.prefix_len().checked_sub(MAPPED))
        .and_then(|(ipv4, length)| IpNet::new(ipv4.into(), length).ok())
        .unwrap_or(network)
}

/// Disjoint ranges, sorted: where each begins, and with which number it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ranges<N> {
    first: Box<[N]>,
    last: Box<[N]>,
}

impl<N: Copy + Ord> Ranges<N> {
    fn new(mut ranges: Vec<(N, N)>) -> Self {
        // Of those that begin together the largest first.
        ranges.sort_unstable_by_key(|(first, last)| (*first, Reverse(*last)));
        // Networks are one inside the other, or apart.
        ranges.dedup_by(|next, before| next.1 <= before.1);
        Self {
            first: ranges.iter().map(|range| range.0).collect(),
            last: ranges.iter().map(|range| range.1).collect(),
        }
    }

    fn contains(&self, number: N) -> bool {
        self.holds(number, number)
    }

    /// Whether the numbers from one to the other are in one of the ranges.
    fn holds(&self, from: N, to: N) -> bool {
        let begun = self.first.partition_point(|first| *first <= from);
        begun
            .checked_sub(1)
            .and_then(|index| self.last.get(index))
            .is_some_and(|last| to <= *last)
    }

    /// Whether each of the other ranges is in one of these. Ranges that only together hold one do not count: of networks
    /// that were written to deny everyone one is enough.
    fn covers(&self, other: &Self) -> bool {
        let mut ranges = other.first.iter().zip(&other.last);
        ranges.all(|(first, last)| self.holds(*first, *last))
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
            Self::Unreadable(text) if is_everyone(text) => {
                "write `0.0.0.0/0` and `::/0` for everyone".to_owned()
            }
            Self::Unreadable(_) => "write an address, or a network as `10.0.0.0/8`".to_owned(),
            Self::HostBits { network, .. } => {
                format!("write `{network}` for the network, or the address without its prefix")
            }
        }
    }
}

/// Whether this is what other proxies write for every address.
fn is_everyone(text: &str) -> bool {
    matches!(text, "all" | "any" | "*")
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
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

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
    fn a_set_covers_the_sets_whose_networks_are_in_its_own() {
        let all = set(&["0.0.0.0/0", "::/0"]);
        let some = set(&["10.0.0.0/8", "2001:db8::/32"]);
        assert!(all.covers(&some) && all.covers(&all) && some.covers(&some));
        assert!(some.covers(&set(&["10.1.0.0/16"])) && some.covers(&NetworkSet::default()));
        assert!(!some.covers(&all) && !some.covers(&set(&["10.0.0.0/7"])));
        assert!(!set(&["0.0.0.0/0"]).covers(&some));
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
    fn a_network_of_mapped_addresses_is_that_of_ipv4() {
        let set = set(&["::ffff:10.0.0.0/104", "2001:db8::/32"]);
        assert!(set.contains(ip("10.200.0.1")) && set.contains(ip("::ffff:10.1.1.1")));
        assert!(!set.contains(ip("11.0.0.1")));
    }

    /// A network that `address` may well be in.
    fn network(address: IpAddr, length: u8) -> IpNet {
        let most = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, length.min(most))
            .expect("a length")
            .trunc()
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        // Few, so that networks overlap and addresses are in them.
        let near = |bits: u32| (bits & 0x0303) | 0x0a00_0000;
        prop_oneof![
            any::<u32>().prop_map(move |bits| IpAddr::from(near(bits).to_be_bytes())),
            any::<u32>().prop_map(|bits| IpAddr::from(bits.to_be_bytes())),
            any::<u32>()
                .prop_map(move |bits| { Ipv4Addr::from_bits(near(bits)).to_ipv6_mapped().into() }),
            any::<u128>().prop_map(|bits| {
                let bits = (bits & 0x0303) | 0x2001_0db8 << 96;
                IpAddr::from(bits.to_be_bytes())
            }),
            any::<u128>().prop_map(|bits| IpAddr::from(bits.to_be_bytes())),
        ]
    }

    proptest! {
        #[test]
        fn an_address_is_in_the_set_if_it_is_in_one_of_the_networks(
            networks in proptest::collection::vec((address(), 0_u8..=128), 0..40),
            addresses in proptest::collection::vec(address(), 1..40),
        ) {
            let networks = networks.into_iter().map(|(address, length)| {
                network(address.to_canonical(), length)
            });
            let networks: Vec<IpNet> = networks.collect();
            let set = NetworkSet::new(networks.iter().copied());
            let edges = networks.iter().flat_map(|one| [one.network(), one.broadcast()]);
            for address in addresses.into_iter().chain(edges) {
                let address = address.to_canonical();
                let naive = networks.iter().any(|one| one.contains(&address));
                prop_assert_eq!(set.contains(address), naive, "{}", address);
            }
        }
    }

    #[test]
    fn bits_behind_the_prefix_are_refused_with_the_network_that_was_meant() {
        let error = parse("10.1.2.3/8").expect_err("host bits");
        assert!(error.hint().contains("`10.0.0.0/8`"), "{}", error.hint());
        let everyone = parse("all").expect_err("no network");
        assert!(everyone.hint().contains("`::/0`"), "{}", everyone.hint());
        for text in ["", "10.0.0.0/33", "10.0.0", "example.com", "::1/129"] {
            assert!(
                matches!(parse(text), Err(InvalidNetwork::Unreadable(_))),
                "{text}"
            );
        }
    }
}
