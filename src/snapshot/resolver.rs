//! How does the written resolver become one that can be asked?

use std::net::{IpAddr, SocketAddr};

use crate::config::resolver::{NameServers, Resolver as Written, SYSTEM};
use crate::config::{Diagnostic, Diagnostics, Position, Spanned};
use crate::pool::discovery::resolver::{LOOKUP_LIMIT, Resolver, Settings};

/// The port of a name server that is written without one.
const DNS: u16 = 53;
/// How often one name server may be tried.
const MOST_ATTEMPTS: u8 = 10;

/// Compiles the section; what is wrong with it is reported.
pub(super) fn compile(written: &Written, diagnostics: &mut Diagnostics) -> Resolver {
    let mut complain = |key: &str, at: &Option<Position>, message: String, hint: &str| {
        let problem = Diagnostic::error(format!("resolver.{key}"), message);
        diagnostics.push(problem.at(at.clone()).hint(hint.to_owned()));
    };
    let timeout = &written.timeout;
    if timeout.is_zero() || timeout.as_duration() > LOOKUP_LIMIT {
        complain(
            "timeout",
            &timeout.position,
            format!("`{}` is not a time above 0s and up to 10s", timeout.value),
            "a whole look-up ends after 10s, so give each try less, as `2s`",
        );
    }
    let attempts = &written.attempts;
    if !(1..=MOST_ATTEMPTS).contains(&attempts.value) {
        complain(
            "attempts",
            &attempts.position,
            format!(
                "`{}` is not a number from 1 to {MOST_ATTEMPTS}",
                attempts.value
            ),
            "give 2 for one more try where the first has no answer",
        );
    }
    let mut server = |key: &str, written: &str, at: &Option<Position>| {
        let server = name_server(written);
        if server.is_none() {
            complain(
                key,
                at,
                format!(
                    "`{}` is not the address of a name server",
                    written.escape_debug()
                ),
                "write `system`, or addresses as `10.0.0.2`, `10.0.0.2:5353` or `[fd00::2]:53`",
            );
        }
        server
    };
    let Spanned {
        value: servers,
        position,
    } = &written.addresses;
    let servers = match servers {
        NameServers::One(word) if word == SYSTEM => None,
        NameServers::One(one) => Some(server("addresses", one, position).into_iter().collect()),
        NameServers::Many(many) => {
            let each = many.iter().enumerate().filter_map(|(index, one)| {
                server(&format!("addresses[{index}]"), one, &one.position)
            });
            Some(each.collect::<Vec<SocketAddr>>())
        }
    };
    if matches!(&written.addresses.value, NameServers::Many(many) if many.is_empty()) {
        complain(
            "addresses",
            position,
            "there is no name server to ask".to_owned(),
            "write `system`, or the address of one",
        );
    }
    Resolver::new(Settings {
        servers,
        timeout: timeout.as_duration(),
        attempts: attempts.value,
    })
}

fn name_server(written: &str) -> Option<SocketAddr> {
    let address = match written.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, DNS),
        Err(_) => written.parse().ok()?,
    };
    (address.port() != 0 && !address.ip().is_unspecified()).then_some(address)
}
