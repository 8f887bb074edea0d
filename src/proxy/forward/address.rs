//! How is an address written in a forwarding field?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads one member of `X-Forwarded-For`: an address, with or without a port, IPv6 with or without brackets. An IPv4
/// address in IPv6 clothing comes back as IPv4, so that it compares equal to the plain one.
pub(super) fn parse(member: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(member).ok()?;
    let address = if let Ok(address) = text.parse::<IpAddr>() {
        address
    } else if let Ok(with_port) = text.parse::<SocketAddr>() {
        with_port.ip()
    } else {
        let bracketed = text.strip_prefix('[')?.strip_suffix(']')?;
        IpAddr::V6(bracketed.parse::<Ipv6Addr>().ok()?)
    };
    Some(address.to_canonical())
}

/// Writes the four numbers of an address. The standard formatter costs several times as much, on every request.
pub(super) fn write_v4(address: Ipv4Addr, mut push: impl FnMut(u8)) {
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            push(b'.');
        }
        if octet >= 100 {
            push(b'0' + octet / 100);
        }
        if octet >= 10 {
            push(b'0' + octet / 10 % 10);
        }
        push(b'0' + octet % 10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_in_use() {
        for (text, want) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:8080", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
        ] {
            let read = parse(text.as_bytes()).map(|address| address.to_string());
            assert_eq!(read.as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_address() {
        for text in [
            "",
            "unknown",
            "_hidden",
            "1.2.3",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:65536",
            "[::1",
            "[1.2.3.4]",
            "[::1]x",
            "fe80::1%eth0",
            "01.2.3.4",
            "a.example",
            "\"192.0.2.1\"",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"\xff"), None);
    }

    #[test]
    fn writes_ipv4_as_the_standard_library_does() {
        for octets in [[0, 9, 10, 99], [100, 199, 200, 255], [101, 110, 1, 0]] {
            let address = Ipv4Addr::from(octets);
            let mut text = Vec::new();
            write_v4(address, |byte| text.push(byte));
            assert_eq!(text, address.to_string().as_bytes());
        }
    }
}
