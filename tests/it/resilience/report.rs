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

/// The states of the endpoints in the table.
fn states(table: &str) -> Vec<&str> {
    let rows = table.lines().map(str::trim);
    let rows = rows.filter(|row| row.starts_with("127.0.0.1:"));
    rows.filter_map(|row| row.split_once("  ")?.1.split("  ").next())
        .collect()
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
    // Its health is looked past, and told all the same.
    assert_eq!(
        [&one["illness"], &other["illness"]],
        ["unhealthy", "ejected"]
    );
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
    assert_eq!(one["check_error"], "status 500");
    assert!(is_time(&one["unhealthy_for"], 3_600.0), "{one}");
    assert_eq!(
        parts(other, &["check_error", "unhealthy_for"]),
        json!([null, null])
    );
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
        json!([false, "ejected", "healthy", null])
    );
    assert!(is_time(&other["ejected_for"], 3_600.0), "{other}");
    assert_eq!(other["trial_in"], Value::Null);

    let said = portcullis.run(&["status"]).await;
    let head = "pool p (round_robin): 1 in flight of 1, 1 waiting, looks past health";
    assert!(said.has_line(head), "{said:?}");
    let states = states(&said.text);
    let state = |index: usize, begin: &str, end: &str| {
        let state: &str = states[index];
        assert!(state.starts_with(begin) && state.ends_with(end), "{state}");
    };
    state(0, "available (unhealthy for ", "s: status 500)");
    state(1, "open, trial in ", " left)");
    assert!(states[1].contains(" (ejected, "), "{states:?}");
    state(2, "unhealthy for ", "s: status 500");
    state(3, "ejected, ", " left");

    ill.release();
    for asked in [first, second] {
        assert_eq!(asked.await.expect("no panic"), 200);
    }
    eventually("nobody waits, and nobody is served", async || {
        parts(&told(&portcullis, "p").await, &["in_flight", "queued"]) == json!([0, 0])
    })
    .await;
}

#[tokio::test]
async fn a_breaker_whose_time_is_over_is_open_and_says_that_the_next_request_is_a_trial() {
    let origin = origin().await;
    let address = origin.address().expect("TCP");
    let yaml = guarded(
        &[address],
        "breaker: {consecutive_failures: 1, failures: [500], open_for: 500ms, max_open_for: 1h, trials: 1}",
    );
    let portcullis = Portcullis::start(&yaml).await;
    let listener = portcullis.listener("http");
    let gauge = of_endpoint("breaker_state", address);
    let names = ["available", "refusal", "breaker"];
    assert_eq!(http1(listener).await.get("/status/500").await.status, 500);
    // Nobody asks, so it stays as the request left it, however long that is ago.
    eventually("its time is over", async || {
        let pool = told(&portcullis, "p").await;
        let endpoint = &pool["endpoints"][0];
        let is_due = endpoint["trial_in"] == 0.0;
        let expected = match is_due {
            true => json!([true, null, "open"]),
            false => json!([false, "open", "open"]),
        };
        assert_eq!(parts(endpoint, &names), expected, "{endpoint}");
        is_due
    })
    .await;
    assert_eq!(portcullis.metric(&gauge).await, 2.0);
    let said = portcullis.run(&["status"]).await;
    assert_eq!(states(&said.text), ["open, next request is a trial"]);

    // The only trial is under way; the next one is due when it has been for as long as the breaker is open at first.
    let yaml = yaml.replace("open_for: 500ms", "open_for: 30m");
    portcullis.apply(&yaml).await;
    let trial = tokio::spawn(async move { http1(listener).await.get("/held").await.status });
    eventually("the trial is under way", async || {
        origin.journal().in_flight() > 0
    })
    .await;
    let pool = told(&portcullis, "p").await;
    let endpoint = &pool["endpoints"][0];
    assert_eq!(parts(endpoint, &names), json!([false, "open", "half_open"]));
    assert!(is_time(&endpoint["trial_in"], 1_800.0), "{endpoint}");
    assert_eq!(portcullis.metric(&gauge).await, 1.0);
    let said = portcullis.run(&["status"]).await;
    let state = states(&said.text)[0].to_owned();
    assert!(
        state.starts_with("half-open, one more trial in "),
        "{said:?}"
    );
    origin.release();
    assert_eq!(trial.await.expect("no panic"), 200);
    eventually("it has closed", async || {
        let pool = told(&portcullis, "p").await;
        parts(&pool["endpoints"][0], &["breaker", "trial_in"]) == json!(["closed", null])
    })
    .await;
}
