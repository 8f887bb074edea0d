//! May a client of this address come in?

use super::{Access, Asked, Granted, Refusal, Verdict};
use crate::admission::NetworkSet;
use crate::error::Reason;
use std::net::IpAddr;

/// Who may come in, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpFilter {
    /// Who alone may, if it is given.
    pub allow: Option<NetworkSet>,
    /// Who may not, whatever else is said.
    pub deny: NetworkSet,
}

impl IpFilter {
    /// Whether a client may come in. One without an address, on a Unix socket, is of this machine: it is in no network.
    pub fn lets_in(&self, client: Option<IpAddr>) -> bool {
        let denied = client.is_some_and(|client| self.deny.contains(client));
        let allowed = self
            .allow
            .as_ref()
            .is_none_or(|allow| client.is_some_and(|client| allow.contains(client)));
        allowed && !denied
    }
}

impl Access for IpFilter {
    fn decide(&self, asked: &Asked<'_>, _: &mut Granted) -> Verdict {
        if self.lets_in(asked.client) {
            Verdict::pass()
        } else {
            Verdict::refuse(Refusal::new(Reason::IpDenied))
        }
    }

    fn admits(&self, client: IpAddr) -> bool {
        self.lets_in(Some(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::networks::parse;

    fn set(networks: &[&str]) -> NetworkSet {
        NetworkSet::new(networks.iter().map(|text| parse(text).expect(text)))
    }

    fn admits(filter: &IpFilter, client: &str) -> bool {
        filter.lets_in(Some(client.parse().expect(client)))
    }

    #[test]
    fn deny_goes_before_allow_and_who_is_not_allowed_stays_outside() {
        let filter = IpFilter {
            allow: Some(set(&["10.0.0.0/8"])),
            deny: set(&["10.6.0.0/16"]),
        };
        assert!(admits(&filter, "10.1.2.3"));
        assert!(!admits(&filter, "10.6.2.3"));
        assert!(!admits(&filter, "192.0.2.1"));
    }

    #[test]
    fn without_allow_everyone_may_come_who_is_not_denied() {
        let filter = IpFilter {
            allow: None,
            deny: set(&["2001:db8::/32"]),
        };
        assert!(admits(&filter, "192.0.2.1"));
        assert!(!admits(&filter, "2001:db8::1"));
        assert!(filter.lets_in(None));
    }

    #[test]
    fn a_client_without_an_address_is_not_among_those_allowed() {
        let filter = IpFilter {
            allow: Some(set(&["0.0.0.0/0", "::/0"])),
            deny: NetworkSet::default(),
        };
        assert!(!filter.lets_in(None));
    }
}
