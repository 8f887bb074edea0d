//! What does a client hear of a limit?

use super::*;

const SLOW: &str = "{name: slow, rate: 1/h, burst: 3}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_gets_429_with_its_fields_and_does_not_reach_the_origin() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let config = limited(&origin, "", SLOW, "");
        let portcullis = Portcullis::builder(&config).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let (mut one, mut two) = (http1(address).await, http2(address).await);
        let answers = [
            one.get("/echo").await,
            two.get("/echo").await,
            one.get("/echo").await,
        ];
        for answer in answers {
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("ratelimit"), None);
        }
        for client in [&mut one, &mut two] {
            let answer = client.get("/echo").await;
            assert_eq!(answer.status, 429);
            let policy = answer.header("ratelimit-policy");
            assert_eq!(policy, Some("\"slow\";q=3;w=10800"));
            let wait = answer.header("retry-after").expect("Retry-After");
            let seconds: u32 = wait.parse().expect("seconds");
            assert!((3_000..=3_600).contains(&seconds), "{wait}");
            let state = format!("\"slow\";r=0;t={wait}");
            assert_eq!(answer.header("ratelimit"), Some(&*state));
        }
        assert_eq!(origin.journal().requests(), 3);
        let line = portcullis.logged(|line| line["status"] == 429).await;
        assert_eq!(line["reason"], "rate_limited");
        assert_eq!(counted(&portcullis, "route", "slow", "allowed").await, 3.0);
        assert_eq!(counted(&portcullis, "route", "slow", "refused").await, 2.0);
        let failures = "portcullis_failures_total{reason=\"rate_limited\"";
        assert_eq!(portcullis.metric(failures).await, 2.0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_is_counted_as_any_request() {
    let origin = origin().await;
    let limit = "{name: one, rate: 1/h, burst: 1}";
    let portcullis = Portcullis::start(&limited(&origin, "", limit, "")).await;
    let address = portcullis.listener("http");
    let mut socket = WebSocket::connect(address, "/ws");
    let upgrade = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut second = Raw::sent(address, upgrade).await;
    let answer = second.response().await;
    assert_eq!(answer.status, 429);
    assert_eq!(
        answer.header("ratelimit-policy"),
        Some("\"one\";q=1;w=3600")
    );
    // The one that is open goes on: its messages are no requests.
    for _ in 0..3 {
        socket.send("a").expect("sent");
        socket.receive().expect("an echo");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_tells_of_its_limits_where_that_is_wanted() {
    let origin = origin().await;
    let first = "{name: first, rate: 1/h, burst: 9, fields: always}";
    let second = "{name: second, rate: 1/h, burst: 2, fields: always}";
    let config = limited(&origin, first, second, "");
    let portcullis = Portcullis::start(&config).await;
    let mut client = http2(portcullis.listener("http")).await;
    let all = |answer: &Answer, name: &str| {
        let lines = answer.headers.get_all(name).iter();
        let lines = lines.map(|line| line.to_str().expect("ASCII").to_owned());
        lines.collect::<Vec<_>>()
    };
    for (path, status, first, second) in [
        ("/echo", 200, 8, 1),
        ("/echo", 200, 7, 0),
        // What an earlier limit has counted stays counted.
        ("/echo", 429, 6, 0),
        ("/own", 200, 5, 1),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, status, "{path} {first}");
        let policies = ["\"first\";q=9;w=32400", "\"second\";q=2;w=7200"];
        assert_eq!(all(&answer, "ratelimit-policy"), policies);
        let state = all(&answer, "ratelimit");
        let begin = |limit: &str, left: u32| format!("\"{limit}\";r={left};t=");
        assert!(state[0].starts_with(&begin("first", first)), "{state:?}");
        assert!(state[1].starts_with(&begin("second", second)), "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_counts_and_refuses_nobody() {
    let origin = origin().await;
    let limit = "{name: dry, rate: 1/h, burst: 2, dry_run: true, fields: always}";
    let portcullis = Portcullis::start(&limited(&origin, "", limit, "")).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..5 {
        let answer = client.get("/echo").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit"), None);
    }
    for (result, count) in [("allowed", 2.0), ("would_refuse", 3.0), ("refused", 0.0)] {
        assert_eq!(counted(&portcullis, "route", "dry", result).await, count);
    }
}
