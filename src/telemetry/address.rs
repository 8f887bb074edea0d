//! How is an address written without the machinery of `fmt`, which takes longer than the rest of its line?
//!
//! Only IPv4 is written by hand: the shortest form of IPv6 (RFC 5952) is left to the standard library.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use super::digits::decimal;

/// Appends `address` as it displays itself.
pub(super) fn ip(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            decimal(out, first.into());
            for octet in rest {
                out.push(b'.');
                decimal(out, octet.into());
            }
        }
        // A vector takes everything: there is no error to lose.
        IpAddr::V6(address) => {
            let _ = write!(out, "{address}");
        }
    }
}

/// Appends `address` with its port as it displays itself.
pub(super) fn socket(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(address) => {
            ip(out, (*address.ip()).into());
            out.push(b':');
            decimal(out, address.port().into());
        }
        SocketAddr::V6(address) => {
            let _ = write!(out, "{address}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_address_is_written_as_it_displays_itself(address in any::<SocketAddr>()) {
            let mut out = Vec::new();
            ip(&mut out, address.ip());
            prop_assert_eq!(out, address.ip().to_string().into_bytes());
            let mut out = Vec::new();
            socket(&mut out, address);
            prop_assert_eq!(out, address.to_string().into_bytes());
        }
    }
}
