//! Which address does the client really have, when trusted proxies stand between it and us?

use super::{address, members};
use crate::admission::NetworkSet;
use http::HeaderMap;
use http::header::HeaderName;
use ipnet::IpNet;
use std::net::IpAddr;

pub(super) static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How many members of `X-Forwarded-For` are looked at. No real chain is longer, and a client pays for a longer one
/// with nothing but bytes.
const MAX_HOPS: usize = 64;

/// The networks whose word is taken for where a request came from. Empty by default: nobody is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: NetworkSet,
}

impl TrustedProxies {
    /// Trusts every address in `networks`.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self {
            networks: NetworkSet::new(networks),
        }
    }

    /// Whether `address` is in one of the networks. An IPv4-mapped IPv6 address counts as the IPv4 address it holds.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.contains(address)
    }
}

/// Who is at the other end of the connection, according to the socket or a PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address; `None` on a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether what it says about where a request came from is believed.
    pub trusted: bool,
}

impl Peer {
    /// A peer with an IP address, trusted if `trusted` contains it.
    pub fn ip(address: IpAddr, trusted: &TrustedProxies) -> Self {
        Self {
            address: Some(address.to_canonical()),
            trusted: trusted.contains(address),
        }
    }

    /// A peer on a Unix socket: whether it is `trusted` is the listener's setting.
    pub const fn unix(trusted: bool) -> Self {
        Self {
            address: None,
            trusted,
        }
    }
}

/// The client's address: the peer's, unless the peer is trusted to say better in `X-Forwarded-For`.
///
/// Each proxy appends the address it saw, so the list is read from the right, over all lines: trusted addresses are
/// skipped and the first untrusted one is the client. What stands left of it is the client's own claim, and is never
/// read. The walk ends at a member that is no address, and after 64 members; then the last address seen is the answer.
/// `None` only for a Unix peer that says nothing usable.
pub fn client_address(peer: Peer, fields: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let mut client = peer.address;
    if !peer.trusted {
        return client;
    }
    let lines = fields.get_all(&X_FORWARDED_FOR);
    let hops = lines.iter().rev().flat_map(|line| members(line).rev());
    for hop in hops.take(MAX_HOPS) {
        let Some(address) = address::parse(hop) else {
            break;
        };
        client = Some(address);
        if !trusted.contains(address) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn trusted() -> TrustedProxies {
        let networks = ["10.0.0.0/8", "2001:db8:aaaa::/48"];
        TrustedProxies::new(networks.map(|net| net.parse().expect("a test's network is valid")))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("a test's address is valid")
    }

    fn fields(lines: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_str(line).expect("a test's line is valid");
            map.append(&X_FORWARDED_FOR, value);
        }
        map
    }

    fn client(peer: &str, lines: &[&str]) -> String {
        let peer = Peer::ip(ip(peer), &trusted());
        client_address(peer, &fields(lines), &trusted()).map_or("none".into(), |ip| ip.to_string())
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        assert_eq!(
            client("10.0.0.1", &["6.6.6.6, 192.0.2.1, 10.0.0.2"]),
            "192.0.2.1"
        );
        assert_eq!(
            client("10.0.0.1", &["6.6.6.6", "192.0.2.1:99 ,,", " 10.0.0.2\t"]),
            "192.0.2.1"
        );
        assert_eq!(
            client("2001:db8:aaaa::1", &["[2001:db8::1]:443"]),
            "2001:db8::1"
        );
    }

    #[test]
    fn ipv4_in_ipv6_is_the_same_address() {
        assert_eq!(
            client("::ffff:10.0.0.1", &["192.0.2.1, ::ffff:10.0.0.2"]),
            "192.0.2.1"
        );
        assert_eq!(client("::ffff:192.0.2.7", &["192.0.2.1"]), "192.0.2.7");
    }

    #[test]
    fn garbage_stops_the_walk_at_the_last_good_address() {
        assert_eq!(
            client("10.0.0.1", &["192.0.2.1, unknown, 10.0.0.2"]),
            "10.0.0.2"
        );
        assert_eq!(client("10.0.0.1", &["192.0.2.1, _x"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[", ,"]), "10.0.0.1");
    }

    #[test]
    fn when_all_are_trusted_the_leftmost_is_the_client() {
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn a_chain_is_read_for_64_hops() {
        let chain = |hops: usize| format!("192.0.2.1{}", ", 10.0.0.9".repeat(hops));
        assert_eq!(client("10.0.0.1", &[&chain(63)]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &[&chain(64)]), "10.0.0.9");
    }

    #[test]
    fn a_unix_peer_is_believed_when_its_listener_says_so() {
        let lines = fields(&["192.0.2.1"]);
        let address = |trust| client_address(Peer::unix(trust), &lines, &trusted());
        assert_eq!(address(true), Some(ip("192.0.2.1")));
        assert_eq!(address(false), None);
    }

    proptest! {
        #[test]
        fn an_untrusted_peer_is_the_client_whatever_it_says(
            lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..8),
            bits in any::<u32>(),
        ) {
            let mut map = HeaderMap::new();
            for value in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
                map.append(&X_FORWARDED_FOR, value);
            }
            let address = IpAddr::from(bits.to_be_bytes());
            let peer = Peer::ip(address, &trusted());
            let client = client_address(peer, &map, &trusted());
            prop_assert!(peer.trusted || client == Some(address));
        }

        #[test]
        fn nothing_left_of_the_client_counts(
            claim in "[0-9a-f.:, \\[\\]]{0,60}",
            proxies in proptest::collection::vec(any::<[u8; 3]>(), 0..20),
        ) {
            let mut line = format!("{claim}, 192.0.2.1");
            for [a, b, c] in proxies {
                line.push_str(&format!(", 10.{a}.{b}.{c}"));
            }
            prop_assert_eq!(client("10.0.0.1", &[&line]), "192.0.2.1");
        }
    }
}
