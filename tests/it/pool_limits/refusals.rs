//! Who is refused when the queue is full or the wait too long, and what does it get?

use std::time::{Duration, Instant};

use super::*;

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_the_least_worth_first() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&limited(
            &origin,
            "{requests: 1, queue: 1, queue_timeout: 1m}",
        ))
        .carrier(carrier)
        .start()
        .await;
        let address = portcullis.listener("http");
        let first = ask(address, "/held");
        arrived(&origin, 1).await;
        let low = ask(address, "/held/low");
        waiting(&portcullis, 1).await;

        let refused = answered(ask(address, "/another")).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(reason(&refused), "queue_full");
        assert_eq!(refused.header("retry-after"), Some("1"));
        let status = refused.header("proxy-status").expect("the reason");
        assert!(status.contains("connection_limit_reached"), "{status}");
        let line = portcullis.logged(|line| line["target"] == "/another").await;
        assert_eq!(
            (&line["reason"], &line["phase"]),
            (&"queue_full".into(), &"pool".into())
        );
        assert!(
            line.get("queue").is_none() && line["attempts"] == 0,
            "{line}"
        );

        let grpc = [("content-type", "application/grpc")];
        let refused = answered(ask_with(address, "/origin.Echo/Unary", &grpc)).await;
        assert_eq!(
            (
                refused.header("grpc-status"),
                refused.header("grpc-message")
            ),
            (Some("14"), Some("queue_full"))
        );

        let high = ask_with(address, "/held", &[("x-priority", "high")]);
        let displaced = answered(low).await;
        assert_eq!(
            (displaced.status.as_u16(), reason(&displaced)),
            (503, "queue_full")
        );
        let line = portcullis
            .logged(|line| line["target"] == "/held/low")
            .await;
        assert!(
            line["queue"].as_f64().is_some_and(|seconds| seconds > 0.0),
            "{line}"
        );
        waiting(&portcullis, 1).await;
        origin.release();
        succeeds(first).await;
        succeeds(high).await;
        let failures = "portcullis_failures_total{reason=\"queue_full\"";
        assert_eq!(portcullis.metric(failures).await, 3.0);
        assert_eq!(
            portcullis
                .metric("portcullis_pool_refused_total{pool=\"app\",reason=\"queue_full\"}")
                .await,
            3.0
        );
        assert_eq!(origin.journal().requests(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_pool_with_limits_and_no_queue_refuses_what_is_too_much() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&limited(&origin, "{requests: 1, queue: 0}")).await;
    let address = portcullis.listener("http");
    let first = ask(address, "/held");
    arrived(&origin, 1).await;
    let refused = answered(ask(address, "/")).await;
    assert_eq!(
        (refused.status.as_u16(), reason(&refused)),
        (503, "queue_full")
    );
    origin.release();
    succeeds(first).await;
    eventually("its slot is free", async || {
        answered(ask(address, "/")).await.status == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn who_waits_too_long_is_told_so() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis =
            Portcullis::builder(&limited(&origin, "{requests: 1, queue_timeout: 200ms}"))
                .carrier(carrier)
                .start()
                .await;
        let address = portcullis.listener("http");
        let first = ask(address, "/held");
        arrived(&origin, 1).await;
        let started = Instant::now();
        let late = answered(ask(address, "/late")).await;
        assert!(started.elapsed() >= Duration::from_millis(200));
        assert_eq!(
            (late.status.as_u16(), reason(&late)),
            (503, "queue_timeout")
        );
        assert_eq!(late.header("retry-after"), Some("1"));
        let line = portcullis.logged(|line| line["target"] == "/late").await;
        assert!(
            line["queue"].as_f64().is_some_and(|seconds| seconds >= 0.2),
            "{line}"
        );

        // Its own time is shorter than the queue's.
        let total = answered(ask(address, "/hurry")).await;
        assert_eq!(
            (total.status.as_u16(), reason(&total)),
            (504, "total_timeout")
        );
        assert_eq!(portcullis.metric(LENGTH).await, 0.0);
        origin.release();
        succeeds(first).await;
        assert_eq!(origin.journal().requests(), 1);
    })
    .await;
}
