//! Which status, reason and phase has each failure (the matrix of the design, §6)?

use origin::{RawAnswer, RawOrigin};
use serde_json::Value;

use crate::support::*;

/// A failure, as everyone should see it.
struct Failure<'a> {
    path: &'a str,
    status: u16,
    reason: &'a str,
    phase: &'a str,
    error: &'a str,
}

/// Asks over HTTP/1.1 and HTTP/2, and compares answer, log and metric.
async fn fails(portcullis: &Portcullis, failure: &Failure<'_>) {
    let Failure {
        path,
        status,
        reason,
        phase,
        error,
    } = *failure;
    let address = portcullis.listener("http");
    let series = format!("portcullis_failures_total{{reason=\"{reason}\"");
    let before = portcullis.metric(&series).await;
    for mut client in [http1(address).await, http2(address).await] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(
            answer.header("proxy-status"),
            Some(format!("portcullis;error={error};details=\"{reason}\"").as_str()),
            "{path}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(
            answer.header("retry-after").is_some(),
            status == 503,
            "{path}: {answer:?}"
        );
        let text = answer.text();
        assert!(
            text.starts_with(&format!("{status} ")) && text.contains(reason),
            "{path}: {text}"
        );
        let id = text.lines().last().expect("the request's id").to_owned();
        let line = portcullis
            .logged(|line| line["request_id"] == id.as_str())
            .await;
        let found = (&line["status"], &line["reason"], &line["phase"]);
        assert_eq!(
            found,
            (
                &Value::from(status),
                &Value::from(reason),
                &Value::from(phase)
            ),
            "{line}"
        );
    }
    eventually("the failures are counted", async || {
        portcullis.metric(&series).await == before + 2.0
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_breaks_off_or_talks_nonsense_is_a_502() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        for failure in [
            Failure {
                path: "/close",
                status: 502,
                reason: "upstream_reset",
                phase: "response",
                error: "connection_terminated",
            },
            Failure {
                path: "/garbage",
                status: 502,
                reason: "upstream_bad_response",
                phase: "response",
                error: "http_protocol_error",
            },
        ] {
            fails(&portcullis, &failure).await;
        }
        assert_eq!(
            portcullis.metric("portcullis_upstream_in_flight").await,
            0.0
        );
    })
    .await;
}

#[tokio::test]
async fn a_response_that_could_be_read_in_two_ways_is_a_502() {
    both_carriers(async |carrier| {
        for response in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nbad name: x\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 2x0 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/2.7 200 OK\r\ncontent-length: 0\r\n\r\n",
        ] {
            let origin = RawOrigin::start(move |_| RawAnswer::new().send(response).close())
                .await
                .expect("an origin");
            let portcullis = Portcullis::builder(&site("", Some(origin.address())))
                .carrier(carrier)
                .start()
                .await;
            let answer = http1(portcullis.listener("http")).await.get("/").await;
            assert_eq!(answer.status, 502, "{response:?}: {answer:?}");
            let line = portcullis.logged(|_| true).await;
            assert_eq!(
                line["reason"], "upstream_bad_response",
                "{response:?}: {line}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_resets_the_connection_is_a_502() {
    both_carriers(async |carrier| {
        let origin = RawOrigin::start(|_| RawAnswer::new().reset())
            .await
            .expect("an origin");
        let portcullis = Portcullis::builder(&site("", Some(origin.address())))
            .carrier(carrier)
            .start()
            .await;
        let failure = Failure {
            path: "/",
            status: 502,
            reason: "upstream_reset",
            phase: "response",
            error: "connection_terminated",
        };
        fails(&portcullis, &failure).await;
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_refuses_connections_is_a_502() {
    both_carriers(async |carrier| {
        let nobody = Some(std::net::SocketAddr::from(([127, 0, 0, 1], free_port())));
        let portcullis = Portcullis::builder(&site("", nobody))
            .carrier(carrier)
            .start()
            .await;
        let failure = Failure {
            path: "/",
            status: 502,
            reason: "connect_refused",
            phase: "connect",
            error: "connection_refused",
        };
        fails(&portcullis, &failure).await;
        let line = portcullis.logged(|_| true).await;
        assert_eq!(
            (line.get("connect"), &line["attempts"], &line["retries"]),
            (None, &2.into(), &1.into()),
            "{line}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_request_that_no_route_takes_is_a_404() {
    let yaml = "listeners: [{name: http, address: '127.0.0.1:0'}]\n\
                routes: [{name: a, match: {paths: [{exact: /a}]}, respond: {}}]\n";
    let portcullis = Portcullis::start(yaml).await;
    let failure = Failure {
        path: "/b",
        status: 404,
        reason: "no_route",
        phase: "route",
        error: "destination_not_found",
    };
    fails(&portcullis, &failure).await;
    let line = portcullis.logged(|_| true).await;
    assert_eq!(
        (line.get("route"), &line["attempts"]),
        (None, &0.into()),
        "{line}"
    );
}

#[tokio::test]
async fn a_pool_whose_names_are_not_resolved_is_a_503_that_says_when_to_come_again() {
    both_carriers(async |carrier| {
        let yaml = "listeners: [{name: http, address: '127.0.0.1:0'}]\nroutes: [{name: all, pool: none}]\n\
                    pools: [{name: none, endpoints: ['nowhere.invalid:80']}]\n";
        let portcullis = Portcullis::builder(yaml).carrier(carrier).start().await;
        let failure =
            Failure { path: "/", status: 503, reason: "no_endpoint", phase: "pool", error: "destination_unavailable" };
        fails(&portcullis, &failure).await;
        assert_eq!(portcullis.metric("portcullis_pool_refused_total{pool=\"none\",reason=\"no_endpoint\"}").await, 2.0);
    })
    .await;
}

#[tokio::test]
async fn an_answer_to_head_that_fails_has_no_body() {
    both_carriers(async |carrier| {
        let nobody = Some(std::net::SocketAddr::from(([127, 0, 0, 1], free_port())));
        let portcullis = Portcullis::builder(&site("", nobody))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let mut raw = Raw::sent(address, "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        let response = raw.response_to_head().await;
        assert_eq!(response.status, 502);
        if response.closes() {
            assert_eq!(raw.rest().await, b"");
        } else {
            raw.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
            assert_eq!(raw.response_to_head().await.status, 502);
        }
        let answer = http2(address)
            .await
            .ask(request("HEAD", "/").body(full("")).expect("a request"))
            .await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (502, 0));
    })
    .await;
}

#[tokio::test]
async fn what_an_endpoint_answers_itself_is_no_failure_of_portcullis() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let mut client = http1(portcullis.listener("http")).await;
        for status in [400, 404, 499, 500, 502, 503, 504] {
            let path = format!("/status/{status}");
            let answer = client.get(&path).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("proxy-status")),
                (status, None)
            );
            let line = portcullis
                .logged(|line| line["target"] == path.as_str())
                .await;
            assert_eq!(
                (&line["upstream_status"], line.get("reason")),
                (&status.into(), None),
                "{line}"
            );
        }
        assert_eq!(portcullis.metric("portcullis_failures_total").await, 0.0);
    })
    .await;
}
