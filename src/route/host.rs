//! What is the one normal form of the host a request names?

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The longest name the DNS knows, in bytes, without its root dot (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 253;
/// The longest label of such a name, in bytes.
const LONGEST_LABEL: usize = 63;

/// The authority names no host a route could be for; the request must be refused with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid host: {why}")]
pub struct InvalidHost {
    /// What is wrong with it, for the log and for the message about a pattern.
    pub why: &'static str,
}

/// The normal form of the host in `authority`, the value of `Host` or `:authority` (RFC 3986 §3.2).
///
/// Lower case, without port, without the one dot that may end a name; an IPv6 address keeps its
/// brackets and its spelling. Borrowed when the authority has no upper-case letter.
///
/// # Errors
///
/// When the host is empty, not a DNS name (letters, digits, `-` and `_` in labels of 1 to 63 bytes,
/// 253 in all), not an IP address, or comes with user information (RFC 9110 §4.2.4) or with a port
/// that is none.
pub fn normalise(authority: &str) -> Result<Cow<'_, str>, InvalidHost> {
    let (host, port) = if authority.starts_with('[') {
        let Some((address, port)) = authority.split_once(']') else {
            return Err(InvalidHost {
                why: "a `[` without its `]`",
            });
        };
        check_ipv6(&address[1..])?;
        (&authority[..=address.len()], port)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        let (name, port) = authority.split_at(end);
        let name = name.strip_suffix('.').unwrap_or(name);
        check_name(name)?;
        (name, port)
    };
    check_port(port)?;
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Ok(Cow::Owned(host.to_ascii_lowercase()))
    } else {
        Ok(Cow::Borrowed(host))
    }
}

/// Whether `name` is a DNS name in the sense of [`normalise`], in either case.
pub(super) fn check_name(name: &str) -> Result<(), InvalidHost> {
    if name.len() > LONGEST_NAME {
        return Err(InvalidHost {
            why: "it is longer than 253 bytes",
        });
    }
    let mut label = 0;
    for byte in name.bytes() {
        match byte {
            b'.' => {
                check_label(label)?;
                label = 0;
            }
            b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => label += 1,
            b'@' => {
                return Err(InvalidHost {
                    why: "it has user information (`@`)",
                });
            }
            _ => {
                return Err(InvalidHost {
                    why: "it has a character no host name has",
                });
            }
        }
    }
    check_label(label)
}

fn check_label(length: usize) -> Result<(), InvalidHost> {
    match length {
        0 => Err(InvalidHost {
            why: "it is empty or has an empty label",
        }),
        1..=LONGEST_LABEL => Ok(()),
        _ => Err(InvalidHost {
            why: "it has a label longer than 63 bytes",
        }),
    }
}

/// An address with a zone is refused with the others: a zone means nothing to another machine.
fn check_ipv6(address: &str) -> Result<(), InvalidHost> {
    match address.parse::<Ipv6Addr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(InvalidHost {
            why: "it has no IPv6 address between its brackets",
        }),
    }
}

/// `port` is empty or starts with its colon; the number may be missing (RFC 3986 §3.2.3).
fn check_port(port: &str) -> Result<(), InvalidHost> {
    let valid = match port.strip_prefix(':') {
        None | Some("") => port.is_empty() || port == ":",
        Some(number) => {
            number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<u16>().is_ok()
        }
    };
    if valid {
        Ok(())
    } else {
        Err(InvalidHost {
            why: "its port is not a number up to 65535",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_is_lower_case_without_port_and_last_dot() {
        for (authority, expected) in [
            ("example.com", "example.com"),
            ("Example.COM", "example.com"),
            ("example.com:8443", "example.com"),
            ("example.com:", "example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("localhost", "localhost"),
            ("a_b-c.example", "a_b-c.example"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[2001:DB8::1]:443", "[2001:db8::1]"),
        ] {
            assert_eq!(normalise(authority).unwrap(), expected, "{authority}");
        }
    }

    #[test]
    fn a_lower_case_host_is_borrowed() {
        for authority in ["example.com", "example.com:80", "example.com.", "[::1]:80"] {
            assert!(
                matches!(normalise(authority), Ok(Cow::Borrowed(_))),
                "{authority}"
            );
        }
    }

    #[test]
    fn an_authority_without_a_plain_host_is_refused() {
        let long_label = "a".repeat(64);
        let long_name = ["a"; 128].join(".");
        for authority in [
            "",
            ":80",
            ".",
            "..",
            "a..",
            "a..b",
            ".a",
            "user@a",
            "user:pw@a",
            "a b",
            " a",
            "a\t",
            "a/b",
            "a:b",
            "a:80:80",
            "a:+80",
            "a:65536",
            "a:-1",
            "*.a",
            "a%2eb",
            "é.example",
            "[::1",
            "[]",
            "[::1]x",
            "[::1]]",
            "[::1]80",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "::1",
            "a,b",
            &long_label,
            &long_name,
        ] {
            assert!(normalise(authority).is_err(), "{authority:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_normal_form_of_any_authority_is_its_own_normal_form(
            authority in "[a-cA-C.:@*\\[\\]1 é-]{0,12}|\\PC{0,20}",
        ) {
            if let Ok(once) = normalise(&authority) {
                let twice = normalise(&once).unwrap();
                prop_assert!(matches!(twice, Cow::Borrowed(_)));
                prop_assert_eq!(&once, &twice);
            }
        }
    }
}
