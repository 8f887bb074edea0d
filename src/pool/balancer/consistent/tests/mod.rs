//! What must hold for every consistent balancer?

mod at_once;
mod max_load;
mod staying;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::config::load::load_str;
use crate::config::{Config, Diagnostics};
use crate::pool::balancer::{MaxLoad, Rule};
use crate::pool::key::Digest;
use crate::pool::{Ask, Lease, Pool, Tried, Wanted};
use crate::snapshot;
use crate::state::State;
use crate::telemetry::Metrics;

fn kinds(max_load: Option<MaxLoad>) -> [Rule; 2] {
    let (points, table_size) = (160, 65_537);
    let ring = Rule::RingHash { points, max_load };
    let maglev = Rule::Maglev {
        table_size,
        max_load,
    };
    [ring, maglev]
}

/// Keys as requests have them.
pub(in crate::pool::balancer) fn keys(digest: Digest, count: u32) -> Vec<u64> {
    (0..count)
        .map(|n| digest.of(format!("key-{n}").as_bytes()))
        .collect()
}

pub(in crate::pool::balancer) fn ask(key: Option<u64>, tried: &Tried) -> Ask<'_> {
    Ask {
        now: Instant::now(),
        tried,
        key,
        fail_open: false,
    }
}

/// A pool with this balancer and so many endpoints of weight 1, and one of weight 2.
fn pool(balancer: &str, endpoints: u16) -> Arc<Pool> {
    let mut yaml = format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         pools: [{{name: p, balancer: {balancer}, endpoints: [{{address: '10.0.0.1:80', weight: 2}}"
    );
    for n in 0..endpoints {
        write!(yaml, ", '10.0.1.{n}:80'").expect("memory");
    }
    yaml += "]}]\n";
    let mut diagnostics = Diagnostics::default();
    let loaded = load_str("test.yaml", &yaml, &|_| None, &mut diagnostics).expect("YAML");
    let config = Config::read(&loaded.root, &mut diagnostics);
    let metrics = Metrics::new().expect("every metric is registered once");
    let state = State::new(Arc::new(metrics));
    let compiled = snapshot::compile(&config, &state, &Default::default(), SystemTime::now());
    let snapshot = compiled.snapshot.expect("a configuration without errors");
    Arc::clone(&snapshot.pools[0])
}

fn lease(pool: &Pool, key: Option<u64>) -> Lease {
    let tried = Tried::default();
    let wanted = Wanted {
        key,
        ..Wanted::new(&tried)
    };
    pool.try_lease(&wanted, Instant::now())
        .expect("none is refused because of the bound")
}

/// `⌈1.25 × in flight × weight ÷ total weight⌉`
fn bound(in_flight: u32, weight: u16, total: u32) -> u32 {
    (in_flight * 5 * u32::from(weight)).div_ceil(4 * total)
}
