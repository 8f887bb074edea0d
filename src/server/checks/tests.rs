//! Does the checking follow what happens without a reload?

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use origin::Origin;

use super::{Checks, MOST_ORDERS, Refused};
use crate::config::{Diagnostics, load};
use crate::pool::discovery::Resolved;
use crate::server::door::doors::Doors;
use crate::server::process::Process;
use crate::server::reload::prepare::prepare_loaded;
use crate::server::run::new_state;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

async fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let started = Instant::now();
    while !look() {
        assert!(started.elapsed() < PATIENCE, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(in crate::server) fn process(yaml: &str) -> Arc<Process> {
    let mut diagnostics = Diagnostics::default();
    let loaded = load::load_str("test", yaml, &|_| None, &mut diagnostics);
    let state = Arc::new(new_state().expect("every metric is registered once"));
    let prepared = prepare_loaded(loaded, diagnostics, &state);
    let Some(snapshot) = prepared.snapshot else {
        panic!("{}", prepared.diagnostics);
    };
    let doors = Doors::new(Vec::new());
    let watched = prepared.watched;
    Arc::new(Process::new(
        prepared.config,
        snapshot,
        state,
        doors,
        watched,
    ))
}

fn metrics(process: &Process) -> String {
    let mut text = Vec::new();
    process.state.metrics.render(&mut text);
    String::from_utf8(text).expect("UTF-8")
}

#[tokio::test]
async fn addresses_that_a_host_name_gets_or_loses_are_checked_at_once_or_not_any_more() {
    let origin = Origin::builder().listen("0.0.0.0:0").start().await;
    let origin = origin.expect("a port");
    let port = origin.address().expect("TCP").port();
    let process = process(&format!(
        "listeners: [{{ name: web, address: '127.0.0.1:0' }}]\n\
         routes: [{{ name: all, pool: p }}]\n\
         pools: [{{ name: p, endpoints: ['app.test:{port}'], health: {{ interval: 1h, initial: checking }} }}]\n"
    ));
    let snapshot = process.snapshot.load_full();
    let lookup = &snapshot.lookups[0];
    Checks::start(&process);
    // There is nobody to be waited for.
    process.checks.settled(Duration::from_secs(3600)).await;
    for last in [1, 2, 1] {
        let ip = Ipv4Addr::new(127, 0, 0, last);
        let known = Resolved {
            hosts: [("app.test".to_owned(), vec![IpAddr::V4(ip)])].into(),
            ..Resolved::default()
        };
        process.state.names.remember(known);
        let members = lookup
            .source
            .members(&process.state.names.known(), &process.state);
        let endpoint = Arc::clone(&members.endpoints[0]);
        lookup.pool.replace_members(members);
        eventually("a verdict", || endpoint.state.verdict.known() == Some(true)).await;
        let line = |last: u8| format!("portcullis_upstream_healthy{{endpoint=\"127.0.0.{last}:");
        assert!(metrics(&process).contains(&line(last)));
        let other = line(3 - last);
        eventually("the other is gone", || !metrics(&process).contains(&other)).await;
    }
    assert_eq!(origin.journal().requests(), 3);
}

#[tokio::test]
async fn orders_under_way_are_limited_and_who_has_gone_leaves_room() {
    // It takes the connection and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let process = process(&format!(
        "listeners: [{{ name: web, address: '127.0.0.1:0' }}]\n\
         routes: [{{ name: all, pool: p }}]\n\
         pools: [{{ name: p, endpoints: ['{address}'], health: {{ path: /, interval: 1h, timeout: 1h }} }}]\n"
    ));
    Checks::start(&process);
    for _ in 0..3 {
        let mut orders: Vec<_> = (0..MOST_ORDERS)
            .map(|_| Box::pin(process.checks.now("p", None)))
            .collect();
        for order in &mut orders {
            assert!(futures_util::poll!(order).is_pending());
        }
        assert_eq!(process.checks.now("p", None).await, Err(Refused::Busy));
    }
    let order = process.checks.now("p", None);
    assert!(futures_util::poll!(std::pin::pin!(order)).is_pending());
}
