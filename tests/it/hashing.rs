//! Where do requests with the same key go, and which of them move when endpoints come and go?

use std::collections::BTreeMap;
use std::net::SocketAddr;

use origin::Origin;

use crate::support::*;

/// Origins `a`, `b`, `c`, `d`.
async fn origins() -> Vec<Origin> {
    let mut origins = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let origin = Origin::builder().name(name).start().await;
        origins.push(origin.expect("an origin"));
    }
    origins
}

fn addresses(origins: &[Origin]) -> Vec<SocketAddr> {
    let address = |origin: &Origin| origin.address().expect("an origin on TCP");
    origins.iter().map(address).collect()
}

/// A pool of these endpoints with each of these balancers, for the paths below its number, and the test's own machine
/// trusted.
fn site(balancers: &[String], endpoints: &[SocketAddr], carrier: Carrier) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|one| format!("'{one}'")).collect();
    let endpoints = endpoints.join(", ");
    let (mut routes, mut pools) = (Vec::new(), Vec::new());
    for (number, balancer) in balancers.iter().enumerate() {
        let paths = format!("[{{prefix: /{number}}}]");
        routes.push(format!("{{name: r{number}, pool: p{number}, match: {{paths: {paths}}}, rewrite: {{prefix: /}}}}"));
        pools.push(format!(
            "{{name: p{number}, balancer: {balancer}, endpoints: [{endpoints}]}}"
        ));
    }
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{}]\n\
         pools: [{}]\n\
         forwarding: {{trusted_proxies: [127.0.0.0/8]}}\n\
         runtime: {{carrier: {carrier}}}\n",
        routes.join(", "),
        pools.join(", ")
    )
}

/// How a test's request brings its key.
#[derive(Clone, Copy, Debug)]
enum By {
    Header,
    Cookie,
    Query,
    ClientIp,
}

impl By {
    fn key(self) -> &'static str {
        match self {
            By::Header => "header.X-User",
            By::Cookie => "cookie.user",
            By::Query => "query.user",
            By::ClientIp => "client_ip",
        }
    }

    fn ask(self, pool: usize, user: u16) -> http::request::Builder {
        let get = request("GET", &format!("/{pool}/"));
        match self {
            By::Header => get.header("x-user", format!("u{user}")),
            By::Cookie => get
                .header("cookie", "theme=dark")
                .header("cookie", format!("user=u{user}")),
            By::Query => request("GET", &format!("/{pool}/?a=b&user=u{user}&nonce={user}")),
            By::ClientIp => get.header("x-forwarded-for", format!("192.0.2.{user}, 127.0.0.9")),
        }
    }
}

const USERS: u16 = 60;

/// Which origin serves each user: each is asked for twice, the second time with a new connection.
async fn homes(address: SocketAddr, pool: usize, by: By) -> Vec<String> {
    let (mut first, mut second) = (http1(address).await, http2(address).await);
    let mut homes = Vec::new();
    for user in 0..USERS {
        let mut served = Vec::new();
        for client in [&mut first, &mut second] {
            let answer = client.ask(by.ask(pool, user).body(full("")).expect("a request"));
            let answer = answer.await;
            assert_eq!(answer.status, 200);
            served.push(answer.header("x-origin").expect("a name").to_owned());
        }
        assert_eq!(served[0], served[1], "{by:?}: user {user}");
        homes.extend(served.pop());
    }
    homes
}

fn counts(homes: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for home in homes {
        *counts.entry(home.as_str()).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn requests_with_one_key_go_to_one_endpoint_whatever_brings_the_key() {
    for (kind, carrier) in [("ring_hash", Carrier::Direct), ("maglev", Carrier::Duplex)] {
        let origins = origins().await;
        let addresses = addresses(&origins);
        let all = [By::Header, By::Cookie, By::Query, By::ClientIp];
        let balancers = all.map(|by| format!("{{kind: {kind}, key: {}, max_load: 0}}", by.key()));
        let portcullis = Portcullis::start(&site(&balancers, &addresses, carrier)).await;
        for (pool, by) in all.into_iter().enumerate() {
            let homes = homes(portcullis.listener("http"), pool, by).await;
            let counts = counts(&homes);
            assert!(counts.len() >= 3, "{kind} {by:?}: spread: {counts:?}");
        }
    }
}

#[tokio::test]
async fn a_removed_endpoint_gives_its_keys_away_and_gets_them_back_with_a_reload() {
    let origins = origins().await;
    let all = addresses(&origins);
    let balancers = ["ring_hash", "maglev"]
        .map(|kind| format!("{{kind: {kind}, key: header.X-User, max_load: 0}}"));
    let site = |endpoints: &[SocketAddr]| site(&balancers, endpoints, Carrier::Direct);
    let portcullis = Portcullis::start(&site(&all)).await;
    let address = portcullis.listener("http");
    let homes = async || {
        [
            homes(address, 0, By::Header).await,
            homes(address, 1, By::Header).await,
        ]
    };
    let before = homes().await;

    portcullis.apply(&site(&[all[3], all[0], all[2]])).await;
    let without = homes().await;
    // Maglev may move some others as well: of a hundred much less than one.
    for (pool, most) in [(0, 0), (1, 5)] {
        let mut moved_of_others = 0;
        for (old, new) in before[pool].iter().zip(&without[pool]) {
            assert_ne!(new, "b");
            moved_of_others += usize::from(old != "b" && old != new);
        }
        assert!(moved_of_others <= most, "{before:?} {without:?}");
    }

    portcullis.apply(&site(&all)).await;
    assert_eq!(before, homes().await);
}

#[tokio::test]
async fn requests_without_a_key_go_anywhere() {
    let origins = origins().await;
    let balancer = "{kind: ring_hash, key: cookie.user, max_load: 0}".to_owned();
    let yaml = site(&[balancer], &addresses(&origins), Carrier::Direct);
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    let mut served = Vec::new();
    for _ in 0..100 {
        let answer = client.get("/0/").await;
        served.push(answer.header("x-origin").expect("a name").to_owned());
    }
    // That one of four gets none of a hundred has a chance of less than one in a million.
    let counts = counts(&served);
    assert_eq!(counts.len(), 4, "{counts:?}");
}

#[tokio::test]
async fn what_one_endpoint_has_no_room_for_goes_to_the_next() {
    let origins = origins().await;
    let balancer = "{kind: maglev, key: path}".to_owned();
    let yaml = site(&[balancer], &addresses(&origins), Carrier::Direct);
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let mut raw = Raw::connect(address).await;
        raw.send("GET /0/held HTTP/1.1\r\nHost: a\r\n\r\n").await;
        waiting.push(raw);
        let total = waiting.len() as u64;
        eventually("the request has arrived", async || {
            origins
                .iter()
                .map(|one| one.journal().in_flight())
                .sum::<u64>()
                == total
        })
        .await;
        // ⌈1.25 × requests ÷ 4⌉
        let most = (total * 5).div_ceil(16);
        for origin in &origins {
            let load = origin.journal().in_flight();
            assert!(load <= most, "{}: {load} of {total}", origin.name());
        }
    }
    for origin in &origins {
        origin.release();
    }
    for mut raw in waiting {
        assert_eq!(raw.response().await.status, 200);
    }
}
