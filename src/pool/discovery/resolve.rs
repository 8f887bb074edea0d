//! What does the system's resolver say about a host name, and how is a pool kept up to date with it?

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;

use super::{Lookup, Resolved};
use crate::state::State;

/// How long one look-up may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How soon a name that could not be resolved yet is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Looks the names of a pool up, again and again, and replaces its members when the answer changes.
///
/// An answer that fails, or is empty, changes nothing: a resolver's trouble must not take a working pool away.
pub async fn keep_resolved(lookup: Lookup, state: Arc<State>) {
    let mut known = Resolved::new();
    loop {
        let mut changed = false;
        let mut missing = false;
        for name in lookup.source.names() {
            match resolve(name).await {
                Ok(addresses) if known.get(name) != Some(&addresses) => {
                    log::info!("pool {}: {name} is {addresses:?}", lookup.pool.name);
                    known.insert(name.to_owned(), addresses);
                    changed = true;
                }
                Ok(_) => {}
                Err(error) => {
                    missing |= !known.contains_key(name);
                    log::warn!(
                        "pool {}: {name} can't be resolved: {error}",
                        lookup.pool.name
                    );
                }
            }
        }
        if changed {
            lookup
                .pool
                .replace_members(lookup.source.members(&known, &state));
        }
        tokio::time::sleep(if missing { RETRY } else { lookup.every }).await;
    }
}

/// The addresses of a name, sorted, each once.
async fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    let found = tokio::time::timeout(LIMIT, lookup_host((name, 0))).await;
    let found = found
        .map_err(|_| format!("no answer within {LIMIT:?}"))?
        .map_err(|error| error.to_string())?;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Err("it has no address".to_owned());
    }
    Ok(addresses)
}
