//! Does the admin listener say what keeps requests from an endpoint, and how its pool stands?

use serde_json::{Value, json};

use super::*;

/// What `/pools` says of this pool.
pub async fn told(portcullis: &Portcullis, pool: &str) -> Value {
    let path = format!("/pools?pool={pool}");
    let mut report = Raw::connect(portcullis.admin())
        .await
        .get(&path)
        .await
        .json();
    report["pools"][0].take()
}

/// These parts of what is said of an endpoint, in this order.
fn parts(endpoint: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| endpoint[name].clone()).collect()
}

/// Whether it is a time in seconds that is not over, and at most so long.
fn is_time(value: &Value, most: f64) -> bool {
    value
        .as_f64()
        .is_some_and(|left| left > 0.0 && left <= most)
}

#[tokio::test]
async fn what_checks_breakers_ejections_and_queues_make_of_a_pool_is_told() {
    // The one is ill by its checks and serves; the other one is well by its checks and does not.
    let ill = origin().await;
    let liar = RawOrigin::start(|head| match head.starts_with(b"GET /status/500 ") {
        true => RawAnswer::new().send(OK),
        false => RawAnswer::new().send("HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n"),
    });
    let liar = liar.await.expect("an origin");
    let pool = format!(
        "endpoints: [\"{}\", \"{}\"], health: {{path: /status/500, interval: 50ms, timeout: 5s}}, \
         ejection: {{consecutive_failures: 3, time: 1h, max_time: 1h, max_ejected: 100}}",
        ill.address().expect("TCP"),
        liar.address()
    );
    let yaml = format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes: [{{name: all, pool: p}}, {{name: strict, match: {{paths: [{{prefix: /strict}}]}}, pool: strict}}]\n\
         pools:\n\
         - {{name: p, {pool}, panic_threshold: 100, limits: {{requests: 1}}, \
              breaker: {{consecutive_failures: 3, open_for: 1h, max_open_for: 2h}}}}\n\
         - {{name: strict, {pool}}}\n"
    );
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    eventually("one is ill, and the other one ejected", async || {
        let mut client = http1(address).await;
        client.post("/", "").await;
        client.post("/strict", "").await;
        let (open, strict) = (
            told(&portcullis, "p").await,
            told(&portcullis, "strict").await,
        );
        let done = |pool: &Value| {
            let endpoints = &pool["endpoints"];
            endpoints[0]["health"] == "unhealthy" && !endpoints[1]["ejected_for"].is_null()
        };
        done(&open) && done(&strict)
    })
    .await;

    // The one slot is taken, and one waits for it.
    let ask = || tokio::spawn(async move { http1(address).await.get("/held").await.status });
    let first = ask();
    eventually("it is held", async || ill.journal().in_flight() > 0).await;
    let second = ask();
    eventually("one waits", async || {
        told(&portcullis, "p").await["queued"] == 1
    })
    .await;
    let open = told(&portcullis, "p").await;
    assert_eq!(
        parts(&open, &["in_flight", "max_requests", "queued", "fail_open"]),
        json!([1, 1, 1, true])
    );
    let names = ["available", "refusal", "health", "breaker"];
    let (one, other) = (&open["endpoints"][0], &open["endpoints"][1]);
    // It is looked past its health.
    assert_eq!(
        parts(one, &names),
        json!([true, null, "unhealthy", "closed"])
    );
    assert_eq!(
        parts(one, &["ejected_for", "trial_in"]),
        json!([null, null])
    );
    assert_eq!(
        parts(other, &names),
        json!([false, "open", "healthy", "open"])
    );
    assert!(is_time(&other["ejected_for"], 3_600.0), "{other}");
    // A tenth less or more.
    assert!(is_time(&other["trial_in"], 3_960.0), "{other}");

    let strict = told(&portcullis, "strict").await;
    assert_eq!(
        parts(
            &strict,
            &["in_flight", "max_requests", "queued", "fail_open"]
        ),
        json!([0, null, 0, null])
    );
    let (one, other) = (&strict["endpoints"][0], &strict["endpoints"][1]);
    assert_eq!(
        parts(one, &names),
        json!([false, "unhealthy", "unhealthy", null])
    );
    assert_eq!(one["ejected_for"], Value::Null);
    assert_eq!(
        parts(other, &names),
        json!([false, "unhealthy", "healthy", null])
    );
    assert!(is_time(&other["ejected_for"], 3_600.0), "{other}");
    assert_eq!(other["trial_in"], Value::Null);

    let said = portcullis.run(&["status"]).await;
    let head = "pool p (round_robin): 1 in flight of 1, 1 waiting, looks past health";
    assert!(said.has_line(head), "{said:?}");
    let states: Vec<&str> = said
        .text
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("127.0.0.1:")?
                .split_whitespace()
                .nth(1)
        })
        .collect();
    assert_eq!(states, ["available", "open", "unhealthy", "ejected"]);

    ill.release();
    for asked in [first, second] {
        assert_eq!(asked.await.expect("no panic"), 200);
    }
    eventually("nobody waits, and nobody is served", async || {
        parts(&told(&portcullis, "p").await, &["in_flight", "queued"]) == json!([0, 0])
    })
    .await;
}
