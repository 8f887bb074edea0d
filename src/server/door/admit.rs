//! May this connection come in? Asked when it is accepted, and again behind a PROXY header that says who the client is.

use std::hash::Hash;
use std::net::IpAddr;
use std::time::Instant;

use crate::admission::Client;
use crate::admission::connections::Permit;
use crate::config::listener::ProxyProtocolMode;
use crate::snapshot::{Listener, Snapshot};
use crate::telemetry::metrics::RefusedReason;

/// Decides about a connection that was just accepted, from `peer`.
///
/// # Errors
///
/// Why it must be refused.
pub fn at_accept(
    snapshot: &Snapshot,
    listener: &Listener,
    peer: Option<IpAddr>,
) -> Result<Permit, RefusedReason> {
    let client = peer.filter(|peer| !announces_clients(listener, *peer));
    if client.is_some_and(|client| is_denied(snapshot, listener, client)) {
        return Err(RefusedReason::IpDenied);
    }
    let limits = &listener.connections;
    let mut permit = limits
        .open
        .enter(snapshot.most_connections.most, limits.most)?;
    if let Some(client) = client {
        count(snapshot, listener, client, &mut permit)?;
    }
    Ok(permit)
}

/// Decides about a connection whose PROXY header says that it comes from `client`.
///
/// # Errors
///
/// Why it must be refused.
pub fn behind_header(
    snapshot: &Snapshot,
    listener: &Listener,
    client: IpAddr,
    permit: &mut Permit,
) -> Result<(), RefusedReason> {
    if is_denied(snapshot, listener, client) {
        return Err(RefusedReason::IpDenied);
    }
    count(snapshot, listener, client, permit)
}

/// Whether `peer` is a balancer that says in a PROXY header who its clients are.
pub fn announces_clients(listener: &Listener, peer: IpAddr) -> bool {
    let rules = &listener.proxy_protocol;
    rules.mode != ProxyProtocolMode::Off && rules.trusted.contains(peer)
}

/// Whether no request of this client would be let in. Of one that a trusted proxy sends, only the request knows whose it
/// is.
fn is_denied(snapshot: &Snapshot, listener: &Listener, client: IpAddr) -> bool {
    !listener.access.iter().all(|policy| policy.admits(client))
        && !snapshot.forwarding.trusted.contains(client)
}

/// Counts a connection that was refused, and tells of it.
pub fn refused(listener: &Listener, reason: RefusedReason, client: Option<IpAddr>) {
    listener.metrics.refused(reason);
    tell(listener, reason, client);
}

/// Tells of a connection that was refused if a limit or the client's address was the cause, once a second at most.
pub fn tell(listener: &Listener, reason: RefusedReason, client: Option<IpAddr>) {
    let open = &listener.connections.open;
    let told = match reason {
        RefusedReason::IpDenied => &open.denials,
        reason if reason.is_limit() => &open.refusals,
        _ => return,
    };
    if let Some(more) = told.happened(Instant::now()) {
        let from = client.map(|client| format!(" from {client}"));
        log::warn!(
            "listener {}: a connection{} is refused ({}); {more} more were since the last such line",
            listener.name,
            from.unwrap_or_default(),
            reason.as_str(),
        );
    }
}

fn count(
    snapshot: &Snapshot,
    listener: &Listener,
    client: IpAddr,
    permit: &mut Permit,
) -> Result<(), RefusedReason> {
    let limits = &listener.connections;
    // Everyone is counted, so that a limit that comes with a reload is right from its first moment.
    let limited = !snapshot.forwarding.trusted.contains(client) && !limits.exempt.contains(client);
    let most = limits.most_of_client.filter(|_| limited);
    let client = Client::of(client, limits.ipv6_prefix);
    permit.of_client(client, most)?;
    if let Some(arrivals) = limits.arrivals.as_ref().filter(|_| limited) {
        let key = arrivals.buckets.key(|hasher| client.hash(hasher));
        let taken = arrivals.buckets.take(key, Instant::now(), &arrivals.limit);
        if !taken.allowed {
            return Err(RefusedReason::RateClient);
        }
    }
    Ok(())
}
