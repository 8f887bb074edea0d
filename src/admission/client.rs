//! Who counts as one client?

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or what is in one IPv6 network. Kept as an IPv6 address, in halves: so a map of clients has no gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(u64, u64);

impl Client {
    /// The client that `address` belongs to: of an IPv6 address, that in a network with a prefix of so many bits. An
    /// IPv4-mapped one is the IPv4 address it holds.
    pub fn of(address: IpAddr, ipv6_prefix: u8) -> Self {
        let bits = match address.to_canonical() {
            IpAddr::V4(ipv4) => ipv4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(ipv6) => {
                let hidden = 128_u32.saturating_sub(ipv6_prefix.into());
                ipv6.to_bits() & u128::MAX.checked_shl(hidden).unwrap_or(0)
            }
        };
        Self((bits >> 64) as u64, bits as u64)
    }

    /// Its IPv4 address, or the first one of its IPv6 network.
    pub fn address(self) -> IpAddr {
        let bits = (u128::from(self.0) << 64) | u128::from(self.1);
        IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(address: &str, ipv6_prefix: u8) -> Client {
        Client::of(address.parse().expect("an address"), ipv6_prefix)
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client_and_ipv4_ones_are_not() {
        assert_eq!(client("2001:db8::1", 64), client("2001:db8::ffff:2", 64));
        assert_ne!(client("2001:db8::1", 64), client("2001:db8:0:1::1", 64));
        assert_eq!(client("2001:db8::1", 56), client("2001:db8:0:1::1", 56));
        assert_ne!(client("2001:db8::1", 128), client("2001:db8::2", 128));
        assert_ne!(client("192.0.2.1", 64), client("192.0.2.2", 64));
        assert_eq!(client("192.0.2.1", 64), client("::ffff:192.0.2.1", 64));
    }

    proptest! {
        #[test]
        fn a_client_is_the_network_of_its_address(bits: u128, length in 0_u8..=128) {
            let address = IpAddr::from(bits.to_be_bytes());
            prop_assume!(!address.to_canonical().is_ipv4());
            let network = ipnet::IpNet::new(address, length).expect("a length").network();
            prop_assert_eq!(Client::of(address, length).address(), network);
        }

        #[test]
        fn those_whose_first_bits_are_the_same_are_one(bits: u128, other: u128, length in 1..=128_u8) {
            let of = |bits: u128| IpAddr::V6(Ipv6Addr::from_bits(bits));
            let (one, two) = (of(bits), of(other));
            prop_assume!(one.to_canonical().is_ipv6() && two.to_canonical().is_ipv6());
            let same = (bits ^ other).leading_zeros() >= u32::from(length);
            prop_assert_eq!(Client::of(one, length) == Client::of(two, length), same);
            // Near ones as well, which chance does not find.
            let near = of(bits ^ (1 << (128 - u32::from(length))));
            prop_assume!(near.to_canonical().is_ipv6());
            prop_assert_ne!(Client::of(one, length), Client::of(near, length));
            if length < 128 {
                let inside = of(bits ^ (1 << (127 - u32::from(length))));
                prop_assume!(inside.to_canonical().is_ipv6());
                prop_assert_eq!(Client::of(one, length), Client::of(inside, length));
            }
        }

        #[test]
        fn an_ipv4_client_is_whole_whatever_the_prefix(bits: u32, length in 0..=128_u8) {
            let ip = IpAddr::V4(bits.into());
            prop_assert_eq!(Client::of(ip, length).address(), ip);
        }
    }
}
