//! Does an endpoint that joins, or comes back, get its share little by little?

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use origin::{RawAnswer, RawOrigin};

use super::*;

const WINDOW: Duration = Duration::from_secs(8);

/// A pool of these endpoints, with these settings beside a slow start of that window.
fn yaml(endpoints: &str, settings: &str) -> String {
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: all, pool: p}}]\n\
         pools: [{{name: p, endpoints: {endpoints}, slow_start: {}ms{settings}}}]\n",
        WINDOW.as_millis()
    )
}

/// Of the answers to what was asked within this time, how many are from the new endpoint.
fn share(answered: &[Answered], asked: Range<Instant>) -> f64 {
    let within = answered.iter().filter(|one| asked.contains(&one.asked));
    let all = within.clone().count();
    assert!(all > 50, "{all} answers are too few");
    within.filter(|one| one.by == "new").count() as f64 / all as f64
}

/// That the share of the endpoint `new` of three grows from the moment that `begins` returns, and ends as a third.
async fn grows(portcullis: &Portcullis, begins: impl AsyncFnOnce() -> Instant) {
    let proxy = portcullis.listener("http");
    let (count, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let clients = async {
        let clients = (0..4).map(async |_| {
            let mut client = http1(proxy).await;
            let mut answered = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let by = answers(&mut client, "/").await;
                answered.push(Answered {
                    path: "/",
                    by,
                    asked,
                    answered: Instant::now(),
                });
                count.fetch_add(1, Ordering::Relaxed);
            }
            answered
        });
        futures_util::future::join_all(clients).await
    };
    let grows = async {
        let began = begins().await;
        eventually("it has its whole share", async || {
            shares(portcullis).await == [100; 3]
        })
        .await;
        let whole = Instant::now();
        let before = count.load(Ordering::Relaxed);
        eventually("its share shows", async || {
            count.load(Ordering::Relaxed) > before + 300
        })
        .await;
        ended.store(true, Ordering::Relaxed);
        (began, whole)
    };
    let (answered, (began, whole)) = tokio::join!(clients, grows);
    let answered: Vec<Answered> = answered.into_iter().flatten().collect();
    let part = |part: f64| began + WINDOW.mul_f64(part);
    let first = share(&answered, began..part(0.2));
    let last = share(&answered, part(0.8)..part(1.0));
    let after = share(&answered, whole..Instant::now());
    assert!(first > 0.0, "{first} {last} {after}");
    assert!(first * 1.5 < last, "{first} {last} {after}");
    assert!((after - 1.0 / 3.0).abs() < 0.03, "{first} {last} {after}");
}

/// How many of 20 answers are from `a`.
async fn of_a(proxy: SocketAddr) -> usize {
    let mut client = http1(proxy).await;
    let mut count = 0;
    for _ in 0..20 {
        count += usize::from(answers(&mut client, "/").await == "a");
    }
    count
}

#[tokio::test]
async fn the_share_of_an_endpoint_that_joins_grows() {
    let (a, b, new) = (named("a").await, named("b").await, named("new").await);
    let portcullis = Portcullis::start(&yaml(&list(&[&a, &b]), "")).await;
    let proxy = portcullis.listener("http");
    // Those that were there from the beginning have their whole share.
    assert_eq!(of_a(proxy).await, 10);
    grows(&portcullis, async || {
        portcullis.apply(&yaml(&list(&[&a, &b, &new]), "")).await;
        Instant::now()
    })
    .await;
}

#[tokio::test]
async fn the_share_of_an_endpoint_that_its_checks_let_back_grows() {
    let (a, b) = (named("a").await, named("b").await);
    let ill = Arc::new(AtomicBool::new(false));
    let says = Arc::clone(&ill);
    let new = RawOrigin::start(move |head| {
        let ill = head.starts_with(b"GET /health ") && says.load(Ordering::Relaxed);
        RawAnswer::new().send(format!(
            "HTTP/1.1 {} Said\r\nx-origin: new\r\ncontent-length: 0\r\n\r\n",
            if ill { 500 } else { 200 }
        ))
    });
    let new = new.await.expect("an origin");
    let endpoints = format!(
        "['{}', '{}', '{}']",
        address(&a),
        address(&b),
        new.address()
    );
    // The other two answer these checks as they answer everything.
    let health = ", health: {path: /health, interval: 50ms, timeout: 5s, fall: 2, rise: 2}";
    let portcullis = Portcullis::start(&yaml(&endpoints, health)).await;
    let proxy = portcullis.listener("http");
    let series = format!(
        "portcullis_upstream_healthy{{endpoint=\"{}\"",
        new.address()
    );
    let becomes = async |healthy: f64| {
        eventually("its checks have decided", async || {
            portcullis.metric(&series).await == healthy
        })
        .await;
    };
    becomes(1.0).await;
    ill.store(true, Ordering::Relaxed);
    becomes(0.0).await;
    assert_eq!(of_a(proxy).await, 10, "the two that are well share alike");
    grows(&portcullis, async || {
        ill.store(false, Ordering::Relaxed);
        becomes(1.0).await;
        Instant::now()
    })
    .await;
}

/// What `/pools` says of each endpoint: the percentage of its share that it gets.
async fn shares(portcullis: &Portcullis) -> Vec<u64> {
    let mut admin = Raw::connect(portcullis.admin()).await;
    let report = admin.get("/pools").await.json();
    let endpoints = report["pools"][0]["endpoints"].as_array().cloned();
    let endpoints = endpoints.expect("endpoints");
    let share = |one: &serde_json::Value| one["share"].as_u64().expect("a percentage");
    endpoints.iter().map(share).collect()
}

#[tokio::test]
async fn an_endpoint_that_is_drained_no_more_begins_with_a_small_share() {
    let (a, b) = (named("a").await, named("b").await);
    let yaml = yaml(&list(&[&a, &b]), "").replace("slow_start: 8000ms", "slow_start: 1h");
    let portcullis = Portcullis::start(&yaml).await;
    assert_eq!(shares(&portcullis).await, [100, 100]);
    for what in ["drain", "undrain"] {
        let asked = format!(
            "POST /endpoints/{what}?pool=p&endpoint={} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            address(&b)
        );
        let answer = Raw::sent(portcullis.admin(), asked).await.response().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let shares = shares(&portcullis).await;
    assert_eq!(shares[0], 100, "{shares:?}");
    // A tenth to begin with, and no test takes half an hour.
    assert!((1..50).contains(&shares[1]), "{shares:?}");
}
