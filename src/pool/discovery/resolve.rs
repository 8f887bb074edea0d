//! What does the system's resolver say about a host name, and how is a pool kept up to date with it?

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::task::JoinSet;

use super::Lookup;
use crate::state::State;

/// How long one look-up may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How soon a name that could not be resolved yet is tried again; twice as long each time.
const RETRY: Duration = Duration::from_secs(1);

/// Looks the names of a pool up, again and again, and replaces its members when the answer changes.
///
/// An answer that fails, or is empty, changes nothing: a resolver's trouble must not take a working pool away.
pub async fn keep_resolved(lookup: Lookup, state: Arc<State>) {
    let names = &state.names;
    let pool = &lookup.pool.name;
    let mut failing = BTreeSet::new();
    let mut pause = RETRY;
    loop {
        let mut changed = false;
        for name in lookup.source.names() {
            match resolve(name).await {
                Ok(addresses) => {
                    if failing.remove(name) {
                        log::info!("pool {pool}: {name} is resolved again");
                    }
                    if names.learn(name, &addresses) {
                        log::info!("pool {pool}: {name} is {addresses:?}");
                    }
                    changed = true;
                }
                // Told when it begins and when it ends, not each time it goes on.
                Err(error) if failing.insert(name.to_owned()) => {
                    log::warn!("pool {pool}: {name} can't be resolved: {error}");
                }
                Err(_) => {}
            }
        }
        let known = names.known();
        if changed && lookup.source.differs(&known, &lookup.pool.members()) {
            lookup
                .pool
                .replace_members(lookup.source.members(&known, &state));
        }
        let missing = lookup.source.names().any(|name| !known.contains_key(name));
        tokio::time::sleep(if missing { pause } else { lookup.every }).await;
        pause = if missing {
            (pause * 2).min(lookup.every)
        } else {
            RETRY
        };
    }
}

/// Looks up the names nobody has looked up yet, side by side, and fills the pools that wait for them; for at most
/// `limit`.
pub async fn resolve_unknown(lookups: &[Lookup], state: &Arc<State>, limit: Duration) {
    let known = state.names.known();
    let unknown: BTreeSet<&str> = lookups
        .iter()
        .flat_map(|lookup| lookup.source.names())
        .filter(|name| !known.contains_key(*name))
        .collect();
    if unknown.is_empty() {
        return;
    }
    let mut asked = JoinSet::new();
    for name in unknown {
        let name = name.to_owned();
        asked.spawn(async move { (resolve(&name).await, name) });
    }
    let all = async {
        while let Some(answer) = asked.join_next().await {
            if let Ok((Ok(addresses), name)) = answer {
                state.names.learn(&name, &addresses);
            }
        }
    };
    // What has no answer by then is tried on by `keep_resolved`, which also says what is wrong with it.
    let _ = tokio::time::timeout(limit, all).await;
    let known = state.names.known();
    for lookup in lookups {
        if lookup.source.differs(&known, &lookup.pool.members()) {
            lookup
                .pool
                .replace_members(lookup.source.members(&known, state));
        }
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
