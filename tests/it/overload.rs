//! What happens to requests that are more than a pool may serve at once?

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::StatusCode;
use origin::Origin;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::*;

/// One listener, and one pool `app` with these limits (in YAML's flow style). The priority of a request is what its field
/// `X-Priority` says, else low; at the host `vip.test` it is high.
fn limited(origin: &Origin, limits: &str) -> String {
    let endpoint = origin.address().expect("an origin on TCP");
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes:\n\
         - {{name: all, pool: app, priority: {{header: X-Priority, default: low}}}}\n\
         - {{name: vip, match: {{hosts: [vip.test]}}, pool: app, priority: high}}\n\
         - {{name: hurry, match: {{paths: [{{prefix: /hurry}}]}}, pool: app, timeouts: {{total: 50ms}}}}\n\
         pools: [{{name: app, endpoints: [\"{endpoint}\"], limits: {limits}}}]\n"
    )
}

/// A request on a connection of its own, under way.
type Asking = JoinHandle<Answer>;

fn ask(address: SocketAddr, path: &str) -> Asking {
    ask_with(address, path, &[])
}

fn ask_with(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Asking {
    let mut request = request("GET", path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(full("")).expect("a request");
    tokio::spawn(async move { http1(address).await.ask(request).await })
}

async fn answered(asking: Asking) -> Answer {
    in_time("an answer", asking).await.expect("no panic")
}

async fn succeeds(asking: Asking) {
    let answer = answered(asking).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

const LENGTH: &str = "portcullis_pool_queue_length{pool=\"app\"}";

/// Waits until so many requests wait.
async fn waiting(portcullis: &Portcullis, count: u64) {
    eventually(&format!("{count} requests wait"), async || {
        portcullis.metric(LENGTH).await == count as f64
    })
    .await;
}

fn reason(answer: &Answer) -> &str {
    let text = std::str::from_utf8(&answer.body).expect("text");
    text.lines().nth(1).unwrap_or_default()
}

#[tokio::test]
async fn what_is_too_much_waits_and_goes_in_the_order_it_came() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&limited(&origin, "{requests: 2}"))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let (first, second) = (ask(address, "/held/1"), ask(address, "/held/2"));
        arrived(&origin, 2).await;
        let third = ask(address, "/held/3");
        waiting(&portcullis, 1).await;
        let mut fourth = http2(address).await;
        let fourth = tokio::spawn(async move { fourth.get("/held/4").await });
        waiting(&portcullis, 2).await;

        origin.release_one("1");
        succeeds(first).await;
        waiting(&portcullis, 1).await;
        origin.release_one("3");
        succeeds(third).await;
        waiting(&portcullis, 0).await;
        origin.release();
        succeeds(second).await;
        succeeds(fourth).await;

        assert_eq!(origin.journal().most_in_flight(), 2);
        let waits = "portcullis_pool_queue_wait_seconds_count{pool=\"app\"}";
        assert_eq!(portcullis.metric(waits).await, 2.0);
        for (target, waited) in [("/held/1", false), ("/held/3", true), ("/held/4", true)] {
            let line = portcullis.logged(|line| line["target"] == target).await;
            let queue = line["queue"].as_f64();
            assert_eq!(queue.is_some_and(|seconds| seconds > 0.0), waited, "{line}");
        }
        assert_eq!(
            portcullis.metric("portcullis_upstream_in_flight").await,
            0.0
        );
    })
    .await;
}

#[tokio::test]
async fn those_of_a_higher_priority_go_first() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&limited(&origin, "{requests: 1}"))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let first = ask(address, "/held/first");
        arrived(&origin, 1).await;
        let low = ask_with(address, "/held/low", &[("x-priority", "urgent")]);
        waiting(&portcullis, 1).await;
        let normal = ask_with(address, "/held/normal", &[("x-priority", "normal")]);
        waiting(&portcullis, 2).await;
        let high = ask_with(address, "/held/high", &[("host", "vip.test")]);
        waiting(&portcullis, 3).await;
        let early = ask_with(address, "/held/early", &[("x-priority", "HIGH")]);
        waiting(&portcullis, 4).await;

        origin.release_one("first");
        succeeds(first).await;
        // Each holds the one slot until it is let go, so that an answer out of turn could not come.
        for (name, asking) in [
            ("high", high),
            ("early", early),
            ("normal", normal),
            ("low", low),
        ] {
            origin.release_one(name);
            succeeds(asking).await;
        }
        assert_eq!(origin.journal().most_in_flight(), 1);
    })
    .await;
}

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

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_away() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&limited(
            &origin,
            "{requests: 1, queue: 2, queue_timeout: 1m}",
        ))
        .carrier(carrier)
        .start()
        .await;
        let address = portcullis.listener("http");
        let first = ask(address, "/held/first");
        arrived(&origin, 1).await;
        let leaves = Raw::sent(address, "GET /one HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        waiting(&portcullis, 1).await;
        let leaves_too = tokio::spawn(async move { http2(address).await.get("/two").await });
        waiting(&portcullis, 2).await;
        drop(leaves);
        leaves_too.abort();
        waiting(&portcullis, 0).await;
        for target in ["/one", "/two"] {
            let line = portcullis.logged(|line| line["target"] == target).await;
            assert_eq!(
                (&line["status"], &line["reason"], &line["phase"]),
                (&499.into(), &"client_gone".into(), &"pool".into())
            );
            assert!(
                line["queue"].as_f64().is_some_and(|seconds| seconds > 0.0),
                "{line}"
            );
        }
        let next = ask(address, "/next");
        waiting(&portcullis, 1).await;
        origin.release();
        succeeds(first).await;
        succeeds(next).await;
        assert_eq!(origin.journal().requests(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_with_its_upload_unread_gives_its_place_away() {
    let origin = origin().await;
    let limits = "{requests: 1, queue: 4, queue_timeout: 1m}";
    let portcullis = Portcullis::start(&limited(&origin, limits)).await;
    let address = portcullis.listener("http");
    let first = ask(address, "/held/first");
    arrived(&origin, 1).await;
    let upload = async |path: &str, length: usize, sent: usize| {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n");
        Raw::sent(address, head + &"x".repeat(sent)).await
    };
    let part = upload("/part", 100_000, 50_000).await;
    waiting(&portcullis, 1).await;
    let whole = upload("/whole", 9, 9).await;
    waiting(&portcullis, 2).await;
    let over_http2 = |path: &'static str| {
        tokio::spawn(async move { http2(address).await.post(path, vec![b'x'; 1000]).await })
    };
    let two = over_http2("/two");
    waiting(&portcullis, 3).await;
    let stays = over_http2("/upload");
    waiting(&portcullis, 4).await;

    drop(part);
    waiting(&portcullis, 3).await;
    drop(whole);
    waiting(&portcullis, 2).await;
    two.abort();
    waiting(&portcullis, 1).await;
    for target in ["/part", "/whole", "/two"] {
        let line = portcullis.logged(|line| line["target"] == target).await;
        assert_eq!(
            (&line["status"], &line["reason"], &line["phase"]),
            (&499.into(), &"client_gone".into(), &"pool".into())
        );
    }
    let mut next = upload("/upload", 50_000, 20_000).await;
    waiting(&portcullis, 2).await;
    origin.release();
    succeeds(first).await;
    assert_eq!(answered(stays).await.json()["bytes"], 1000);
    next.send("x".repeat(30_000)).await;
    assert_eq!(next.response().await.json()["bytes"], 50_000);
    assert_eq!(origin.journal().requests(), 3);
}

#[tokio::test]
async fn each_endpoint_has_its_own_limit() {
    both_carriers(async |carrier| {
        let origins = [origin().await, origin().await];
        let [one, two] = origins.each_ref().map(|origin| origin.address().expect("TCP"));
        let yaml = format!(
            "listeners: [{{name: http, address: '127.0.0.1:0'}}]\nroutes: [{{name: all, pool: app}}]\n\
             pools: [{{name: app, limits: {{endpoint_requests: 1}}, \
             endpoints: ['{one}', {{address: '{two}', max_requests: 2}}]}}]\n"
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let mut asking: Vec<Asking> = (0..3).map(|_| ask(address, "/held")).collect();
        arrived(&origins[0], 1).await;
        arrived(&origins[1], 2).await;
        asking.push(ask(address, "/held"));
        waiting(&portcullis, 1).await;
        origins.iter().for_each(Origin::release);
        for one in asking {
            succeeds(one).await;
        }
        let most = origins.each_ref().map(|origin| origin.journal().most_in_flight());
        assert_eq!(most, [1, 2]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_and_websockets_wait_and_are_waited_for() {
    let origin = origin().await;
    let endpoint = origin.address().expect("TCP");
    let yaml = limited(&origin, "{requests: 1}")
        .replacen("127.0.0.1:0\"", "127.0.0.1:0\", timeouts: {body: 1s}", 1)
        .replacen(
            "routes:\n",
            "routes:\n- {name: free, match: {hosts: [free.test]}, pool: free}\n",
            1,
        )
        .replacen(
            "pools: [",
            &format!("pools: [{{name: free, endpoints: ['{endpoint}']}}, "),
            1,
        );
    let portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let mut socket = WebSocket::connect(address, "/ws");
    socket.send("one").expect("an open socket");
    assert_eq!(socket.receive().expect("its echo").to_string(), "one");
    let uploads = [false, true].map(|over_http2| {
        tokio::spawn(async move {
            let mut client = if over_http2 {
                http2(address).await
            } else {
                http1(address).await
            };
            client.post("/upload", vec![b'x'; 1000]).await
        })
    });
    waiting(&portcullis, 2).await;
    // Who waits is not late with its body, as somebody is who began after them.
    let late = "POST /upload HTTP/1.1\r\nHost: free.test\r\nContent-Length: 9\r\n\r\n";
    let late = Raw::sent(address, late).await.response().await;
    assert_eq!(late.status, StatusCode::REQUEST_TIMEOUT);
    socket.close();
    for upload in uploads {
        let answer = answered(upload).await;
        assert_eq!(answer.json()["bytes"], 1000);
    }
    // Beside the one that was late.
    assert!(
        origin.journal().most_in_flight() <= 2,
        "{:?}",
        origin.journal()
    );
}

#[tokio::test]
async fn a_reload_that_raises_the_limit_lets_in_who_waits() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let runtime = format!("runtime: {{carrier: {carrier}}}\n");
        let one = limited(&origin, "{requests: 1}") + &runtime;
        let portcullis = Portcullis::start(&one).await;
        let address = portcullis.listener("http");
        let mut asking: Vec<Asking> = vec![ask(address, "/held")];
        arrived(&origin, 1).await;
        asking.extend((0..4).map(|_| ask(address, "/held")));
        waiting(&portcullis, 4).await;

        portcullis
            .apply(&(limited(&origin, "{requests: 4}") + &runtime))
            .await;
        arrived(&origin, 4).await;
        waiting(&portcullis, 1).await;
        // Without any limit nobody waits any more.
        portcullis.apply(&(limited(&origin, "{}") + &runtime)).await;
        arrived(&origin, 5).await;
        // A lower one takes nothing away.
        portcullis.apply(&one).await;
        asking.push(ask(address, "/held"));
        waiting(&portcullis, 1).await;
        assert_eq!(origin.journal().most_in_flight(), 5);
        origin.release();
        for one in asking {
            succeeds(one).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_storm_never_gets_past_the_limit_and_every_request_has_its_end() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let limits = "{requests: 10, queue: 30, queue_timeout: 300ms}";
        let portcullis = Portcullis::builder(&limited(&origin, limits))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let mut storm = JoinSet::new();
        for number in 0..50 {
            storm.spawn(async move {
                let mut ends = Vec::new();
                let mut client = match number % 2 {
                    0 => http1(address).await,
                    _ => http2(address).await,
                };
                for _ in 0..10 {
                    let answer = client.get("/delay/10").await;
                    if answer.closes() {
                        client = http1(address).await;
                    }
                    let reason = reason(&answer).to_owned();
                    ends.push((answer.status.as_u16(), reason));
                }
                ends
            });
        }
        let ends = in_time("the storm", storm.join_all()).await;
        let (mut served, mut refused) = (0, 0);
        for (status, reason) in ends.into_iter().flatten() {
            match (status, reason.as_str()) {
                (200, _) => served += 1,
                (503, "queue_full" | "queue_timeout") => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(served + refused, 500);
        assert!(served > 0);
        assert!(
            origin.journal().most_in_flight() <= 10,
            "{:?}",
            origin.journal()
        );

        // Clients that leave, some of them while they wait: the origin may notice later than Portcullis.
        let mut leaving = JoinSet::new();
        for number in 0..50 {
            leaving.spawn(async move {
                let request = "GET /delay/20 HTTP/1.1\r\nHost: a.test\r\n\r\n";
                let raw = Raw::sent(address, request).await;
                tokio::time::sleep(Duration::from_millis(number)).await;
                drop(raw);
            });
        }
        leaving.join_all().await;
        waiting(&portcullis, 0).await;
        eventually("every slot is free", async || {
            portcullis.metric("portcullis_upstream_in_flight").await == 0.0
        })
        .await;
        // What is left is the whole limit, and no more.
        let held: Vec<Asking> = (0..12).map(|_| ask(address, "/held")).collect();
        waiting(&portcullis, 2).await;
        arrived(&origin, 10).await;
        origin.release();
        for one in held {
            succeeds(one).await;
        }
    })
    .await;
}
