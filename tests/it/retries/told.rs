//! What does the access log say about each attempt?

use serde_json::Value;

use super::*;

/// What a line says of its attempts, without times.
fn attempts(line: &Value) -> Vec<Value> {
    let attempts = line["upstream"].as_array().cloned().unwrap_or_default();
    attempts
        .into_iter()
        .map(|mut attempt| {
            let told = attempt.as_object_mut().expect("an object");
            let duration = told.remove("duration").expect("always there");
            assert!(duration.is_number(), "{line}");
            for time in ["connect", "first_byte"] {
                assert!(
                    told.remove(time).is_none_or(|time| time.is_number()),
                    "{line}"
                );
            }
            attempt
        })
        .collect()
}

#[tokio::test]
async fn each_attempt_is_told_with_its_endpoint_and_how_it_ended() {
    both_carriers(async |carrier| {
        let (refusing, _held) = nobody();
        let busy = always(RawAnswer::new().send(UNAVAILABLE)).await;
        let origin = origin().await;
        let good = origin.address().expect("TCP");
        for (first, ended) in [
            (refusing, ("reason", Value::from("connect_refused"))),
            (busy.address(), ("status", Value::from(503))),
        ] {
            let rules = format!(", retries: {{on: [connect, 503], {RICH}}}");
            let yaml = pool(&[first, good], &rules, "");
            let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
            let mut client = http1(portcullis.listener("http")).await;
            for _ in 0..4 {
                assert_eq!(client.get("/").await.status, 200);
            }
            let line = portcullis.logged(|line| line["attempts"] == 2).await;
            let before = serde_json::json!({"endpoint": first.to_string(), ended.0: ended.1});
            let last = serde_json::json!({"endpoint": good.to_string(), "status": 200});
            assert_eq!(attempts(&line), [before, last], "{line}");
            let alone = portcullis.logged(|line| line["attempts"] == 1).await;
            assert_eq!(alone.get("upstream"), None, "{alone}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_whose_last_attempt_failed_says_so_of_both() {
    both_carriers(async |carrier| {
        let (refusing, _held) = nobody();
        let broken = always(RawAnswer::new().close()).await;
        let endpoints = [refusing, broken.address()];
        let yaml = pool(&endpoints, &format!(", retries: {{limit: 1, {RICH}}}"), "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let answer = http1(portcullis.listener("http")).await.get("/").await;
        assert_eq!(answer.status, 502);
        let line = portcullis.logged(|_| true).await;
        let told = attempts(&line);
        assert_eq!(told.len(), 2, "{line}");
        for (endpoint, reason) in [
            (endpoints[0], "connect_refused"),
            (endpoints[1], "upstream_reset"),
        ] {
            let one = serde_json::json!({"endpoint": endpoint.to_string(), "reason": reason});
            assert!(told.contains(&one), "{line}");
        }
        assert_eq!(told[1]["reason"], line["reason"], "{line}");
    })
    .await;
}

#[tokio::test]
async fn a_hedge_and_what_it_outran_are_told_apart() {
    let (slow, fast) = (origin().await, origin().await);
    fast.release();
    let endpoints = [&slow, &fast].map(|one| one.address().expect("TCP"));
    let yaml = pool(&endpoints, ", hedging: {after: 1s, budget: 100}", "");
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..4 {
        assert_eq!(client.get("/held").await.status, 200);
    }
    let line = portcullis.logged(|line| line["attempts"] == 2).await;
    let outrun = serde_json::json!({"endpoint": endpoints[0].to_string()});
    let hedge =
        serde_json::json!({"endpoint": endpoints[1].to_string(), "status": 200, "hedge": true});
    assert_eq!(attempts(&line), [outrun, hedge], "{line}");
    // As long as it took until the other one had answered.
    let took = line["upstream"][0]["duration"].as_f64();
    assert!(took.is_some_and(|took| took >= 1.0), "{line}");
}

#[tokio::test]
async fn what_the_cache_fetched_is_told_in_the_line_of_who_waited_for_it() {
    let (refusing, _held) = nobody();
    let origin = origin().await;
    let good = origin.address().expect("TCP");
    let yaml = pool(
        &[refusing, good],
        &format!(", retries: {{{RICH}}}"),
        ", cache: {}",
    );
    let portcullis = Portcullis::start(&yaml).await;
    let mut client = http1(portcullis.listener("http")).await;
    for number in 0..4 {
        assert_eq!(client.get(&format!("/bytes/{number}")).await.status, 200);
    }
    let line = portcullis.logged(|line| line["attempts"] == 2).await;
    let before = serde_json::json!({"endpoint": refusing.to_string(), "reason": "connect_refused"});
    let last = serde_json::json!({"endpoint": good.to_string(), "status": 200});
    assert_eq!(attempts(&line), [before, last], "{line}");
}
