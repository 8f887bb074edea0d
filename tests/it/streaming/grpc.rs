//! Does gRPC work through the proxy?

use bytes::Bytes;

use super::pieces::{growing, next_piece};
use crate::support::*;

/// A site whose pool speaks HTTP/2.
fn grpc_site(endpoint: Option<std::net::SocketAddr>) -> String {
    site("", endpoint).replace("pools: [{", "pools: [{protocol: http2, ")
}

fn message(text: &str) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(text.len()).expect("short").to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes.into()
}

fn call(method: &str) -> http::request::Builder {
    request("POST", &format!("/origin.Echo/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

#[tokio::test]
async fn a_unary_call_brings_its_answer_and_its_status_in_the_trailers() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&grpc_site(origin.address())).await;
    let mut client = http2(portcullis.listener("http")).await;
    for _ in 0..3 {
        let answer = client
            .ask(
                call("Unary")
                    .body(full(message("hello")))
                    .expect("a request"),
            )
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, Some("application/grpc"))
        );
        assert_eq!(answer.body, message("hello"));
        let trailers = answer.trailers.expect("trailers");
        assert_eq!(trailers.get("grpc-status").expect("a status"), "0");
    }
    assert!(
        origin.journal().connections() <= 2,
        "connections are used again: {:?}",
        origin.journal()
    );
    let line = portcullis
        .logged(|line| line["target"] == "/origin.Echo/Unary")
        .await;
    assert_eq!((&line["status"], line.get("reason")), (&200.into(), None));
}

#[tokio::test]
async fn a_call_with_streams_in_both_directions_gets_each_answer_at_once() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&grpc_site(origin.address())).await;
    let mut client = http2(portcullis.listener("http")).await;
    let (sender, body) = growing();
    sender.send(message("first")).await.expect("taken");
    let response = client
        .send(call("Bidi").body(body).expect("a request"))
        .await
        .expect("a header");
    let mut body = response.into_body();
    assert_eq!(next_piece(&mut body).await, message("first"));
    for text in ["second", "third"] {
        sender.send(message(text)).await.expect("taken");
        assert_eq!(next_piece(&mut body).await, message(text));
    }
    drop(sender);
    let frame = http_body_util::BodyExt::frame(&mut body);
    let trailers = in_time("the trailers", frame)
        .await
        .expect("a frame")
        .expect("no break")
        .into_trailers();
    assert_eq!(
        trailers
            .expect("trailers")
            .get("grpc-status")
            .expect("a status"),
        "0"
    );
}

#[tokio::test]
async fn the_endpoints_own_trailers_only_answer_passes() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&grpc_site(origin.address())).await;
    let mut client = http2(portcullis.listener("http")).await;
    let answer = client
        .ask(call("Fail").body(full(message("x"))).expect("a request"))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("grpc-status")),
        (200, Some("13"))
    );
    assert_eq!(
        (answer.body.len(), answer.header("proxy-status")),
        (0, None)
    );
}

#[tokio::test]
async fn a_failure_of_portcullis_is_a_grpc_status_without_body() {
    let refusing = Some(std::net::SocketAddr::from(([127, 0, 0, 1], free_port())));
    let nowhere = "listeners: [{name: http, address: '127.0.0.1:0'}]\nroutes: [{name: all, pool: none}]\n\
                   pools: [{name: none, protocol: http2, endpoints: ['nowhere.invalid:1']}]\n";
    for (yaml, status, reason) in [
        (grpc_site(refusing), "14", "connect_refused"),
        (nowhere.to_owned(), "14", "no_endpoint"),
    ] {
        let portcullis = Portcullis::start(&yaml).await;
        let mut client = http2(portcullis.listener("http")).await;
        let answer = client
            .ask(call("Unary").body(full(message("x"))).expect("a request"))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("grpc-status")),
            (200, Some(status)),
            "{reason}"
        );
        assert_eq!(answer.header("content-type"), Some("application/grpc"));
        assert_eq!(
            (answer.header("grpc-message"), answer.body.len()),
            (Some(reason), 0)
        );
        assert!(answer.header("proxy-status").is_some());
        let line = portcullis.logged(|line| line["reason"] == reason).await;
        assert_eq!(line["status"], 200, "what was sent: {line}");
    }
    let no_route = "listeners: [{name: http, address: '127.0.0.1:0'}]\n\
                    routes: [{name: a, match: {hosts: [a.test]}, respond: {}}]\n";
    let portcullis = Portcullis::start(no_route).await;
    let mut client = http2(portcullis.listener("http")).await;
    let answer = client
        .ask(call("Unary").body(full(message("x"))).expect("a request"))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("grpc-status")),
        (200, Some("12"))
    );
}

#[tokio::test]
async fn trailers_of_an_endpoint_of_http2_reach_a_client_of_http2() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&grpc_site(origin.address())).await;
    let address = portcullis.listener("http");
    let answer = http2(address).await.get("/trailers").await;
    assert_eq!(answer.text(), "trailers follow\n");
    assert_eq!(
        answer
            .trailers
            .expect("trailers")
            .get("x-trailer")
            .expect("a field"),
        "end"
    );
    // HTTP/1 has no place for them that a client would look at, but the body must be whole.
    assert_eq!(
        http1(address).await.get("/trailers").await.text(),
        "trailers follow\n"
    );
}
