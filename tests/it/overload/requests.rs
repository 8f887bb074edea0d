//! Which requests are shed when there are too many, and what do they get?

use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use origin::Origin;
use tokio::task::JoinHandle;

use super::limited;
use crate::support::*;

type Asking = JoinHandle<Answer>;

fn ask(address: SocketAddr, priority: &str) -> Asking {
    let request = request("GET", "/held").header("X-Priority", priority);
    let request = request.body(full("")).expect("a request");
    tokio::spawn(async move { http1(address).await.ask(request).await })
}

async fn answered(asking: Asking) -> Answer {
    in_time("an answer", asking).await.expect("no panic")
}

async fn shed(address: SocketAddr, priority: &str) {
    let answer = answered(ask(address, priority)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{priority}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.text().contains("\noverloaded\n"), "{answer:?}");
    assert!(!answer.closes(), "its connection is of use");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_its_share_of_the_limit_what_is_worth_least_is_shed_first() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&limited(&origin, "{requests: 10}"))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let mut held: Vec<_> = (0..8).map(|_| ask(address, "low")).collect();
        arrived(&origin, 8).await;
        shed(address, "low").await;
        held.push(ask(address, "normal"));
        arrived(&origin, 9).await;
        shed(address, "normal").await;
        held.push(ask(address, "high"));
        arrived(&origin, 10).await;
        shed(address, "high").await;
        assert_eq!(http1(address).await.get("/fixed").await.status, 200);
        let ready = Raw::connect(portcullis.admin()).await.get("/readyz").await;
        assert_eq!(ready.status, 200, "it is not its health that is bad");
        for priority in ["low", "normal", "high"] {
            let series = format!(
                "portcullis_overload_shed_total{{priority=\"{priority}\",resource=\"requests\"}}"
            );
            assert_eq!(portcullis.metric(&series).await, 1.0, "{priority}");
        }
        eventually("it is told how full it is", async || {
            let of = async |what: &str| {
                let series = format!("portcullis_overload_{what}{{resource=\"requests\"}}");
                portcullis.metric(&series).await
            };
            (of("usage").await, of("limit").await, of("level").await) == (10.0, 10.0, 3.0)
        })
        .await;
        portcullis.says("requests are shed").await;
        let line = portcullis.logged(|line| line["status"] == 503).await;
        assert_eq!(
            (&line["reason"], &line["pool"]),
            (&"overloaded".into(), &"app".into())
        );
        assert_eq!(origin.journal().in_flight(), 10);

        origin.release();
        for held in held {
            assert_eq!(answered(held).await.status, 200);
        }
        // Those that were counted are counted no more.
        for _ in 0..20 {
            assert_eq!(answered(ask(address, "low")).await.status, 200);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_http2_and_open_websockets_are_requests_like_others() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&limited(&origin, "{requests: 1}")).await;
    let address = portcullis.listener("http");
    let websocket = WebSocket::connect(address, "/ws");
    shed(address, "high").await;
    let mut client = http2(address).await;
    assert_eq!(client.get("/echo").await.status, 503);
    websocket.close();
    eventually("there is room again", async || {
        client.get("/echo").await.status == 200
    })
    .await;
    // It is answered before it gives its place back.
    eventually("nobody is in", async || {
        portcullis.metric("portcullis_requests_in_flight").await == 0.0
    })
    .await;
    // A client that leaves makes room as well.
    let held = ask(address, "high");
    arrived(&origin, 1).await;
    shed(address, "high").await;
    held.abort();
    eventually("there is room again", async || {
        client.get("/echo").await.status == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_takes_the_limit_away_lets_everyone_in() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&limited(&origin, "{requests: 1}")).await;
    let address = portcullis.listener("http");
    let held = ask(address, "normal");
    arrived(&origin, 1).await;
    shed(address, "normal").await;
    portcullis.apply(&limited(&origin, "{requests: 2}")).await;
    let second = ask(address, "high");
    arrived(&origin, 2).await;
    shed(address, "high").await;
    portcullis.apply(&limited(&origin, "{}")).await;
    let third = ask(address, "low");
    arrived(&origin, 3).await;
    origin.release();
    for held in [held, second, third] {
        assert_eq!(answered(held).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_beyond_the_limit_is_answered_and_who_has_a_higher_priority_notices_nothing() {
    let origin = Origin::builder()
        .delay(Duration::from_millis(20))
        .start()
        .await
        .expect("an origin");
    let portcullis = Portcullis::start(&limited(&origin, "{requests: 20}")).await;
    let address = portcullis.listener("http");
    let flood: Vec<_> = (0..64)
        .map(|_| {
            tokio::spawn(async move {
                let mut client = http1(address).await;
                let mut shed = 0;
                for _ in 0..20 {
                    let request = request("GET", "/echo").header("X-Priority", "low");
                    let answer = client.ask(request.body(full("")).expect("a request")).await;
                    shed += usize::from(answer.status == 503);
                }
                shed
            })
        })
        .collect();
    let mut client = http1(address).await;
    for _ in 0..20 {
        let request = request("GET", "/echo").header("X-Priority", "high");
        let answer = client.ask(request.body(full("")).expect("a request")).await;
        assert_eq!(answer.status, 200);
    }
    let mut shed = 0;
    for one in flood {
        shed += in_time("the flood's end", one).await.expect("no panic");
    }
    assert!(shed > 0, "nothing was shed of 64 at a time");
    let counted = portcullis.metric("portcullis_overload_shed_total").await;
    assert_eq!(counted, shed as f64);
}
