//! Do passwords travel where others can read them?

use crate::config::{Listener, Route};
use crate::pool::Address;
use crate::pool::address::{self, WrittenAddress};
use crate::snapshot::reporter::Reporter;
use crate::snapshot::routes::Known;

/// Warns of `basic_auth` where requests come in without TLS: every one of them has the password. Where proxies in front
/// are trusted, it is they who speak TLS, or so we hope.
pub(super) fn check(written: &Route, known: &Known<'_>, reporter: &mut Reporter<'_>) {
    let Some(auth) = &written.basic_auth else {
        return;
    };
    if written.https_redirect || !known.config.forwarding.trusted_proxies.is_empty() {
        return;
    }
    let is_served_by = |listener: &&Listener| {
        let names = &written.listeners;
        names.is_empty() || names.iter().any(|name| name.value == listener.name.value)
    };
    let mut listeners = known.config.listeners.iter().filter(is_served_by);
    let plain = |listener: &&Listener| {
        listener.tls.is_none() && listener.redirect.is_none() && is_reached_from_afar(listener)
    };
    if let Some(listener) = listeners.find(plain) {
        let name = listener.name.value.escape_debug();
        let message = format!(
            "passwords travel in clear: the listener `{name}` serves the route, and has no TLS"
        );
        let at = auth.position.clone();
        let hint = "give the listener `tls`, or the route `https_redirect: true` or `listeners` that have it";
        reporter.warning_at("basic_auth", at, message, Some(hint));
    }
}

/// Whether it is neither an address of the machine's own nor a Unix socket. What can't be read is told elsewhere.
fn is_reached_from_afar(listener: &Listener) -> bool {
    match address::parse(&listener.address.value) {
        Ok(WrittenAddress::Known(Address::Inet(inet))) => !inet.ip().to_canonical().is_loopback(),
        _ => false,
    }
}
