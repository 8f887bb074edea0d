//! Is every kind of request asked about, and none hurt by it?

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_passes_with_the_token_and_is_refused_without() {
    let (app, auth) = (origin().await, service().await);
    let portcullis = asking(Carrier::Duplex, &app, auth.address(), "").await;
    let address = portcullis.listener("http");
    let upgrade = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut refused = Raw::sent(address, format!("{upgrade}\r\n")).await;
    assert_eq!(refused.response().await.status, 302);
    assert_eq!(app.journal().requests(), 0);
    let question = last_question(&auth);
    assert_eq!(lines(&question, "upgrade"), [""; 0], "{question}");
    let mut passed = Raw::sent(
        address,
        format!("{upgrade}Authorization: Bearer good\r\n\r\n"),
    )
    .await;
    assert!(
        passed
            .until(b"\r\n\r\n")
            .await
            .starts_with(b"HTTP/1.1 101 ")
    );
    assert_eq!(app.journal().requests(), 1);
}

#[tokio::test]
async fn a_body_reaches_the_endpoint_whole_and_not_the_service() {
    let (app, auth) = (origin().await, service().await);
    let portcullis = asking(Carrier::Duplex, &app, auth.address(), "").await;
    let address = portcullis.listener("http");
    let body = origin::expected_bytes(300_000);
    for mut client in [http1(address).await, http2(address).await] {
        let asked = request("POST", "/upload")
            .header(GOOD.0, GOOD.1)
            .body(full(body.clone()));
        let answer = client.ask(asked.expect("a request")).await;
        assert_eq!(answer.json()["bytes"], 300_000);
        let question = last_question(&auth);
        assert_eq!(lines(&question, "content-length"), [""; 0]);
        assert_eq!(lines(&question, "transfer-encoding"), [""; 0]);

        let asked = request("POST", "/upload").body(full("x".repeat(10)));
        let answer = client.ask(asked.expect("a request")).await;
        assert_eq!(answer.status, 302);
        assert_eq!(
            app.journal().bytes_received() % 300_000,
            0,
            "what is refused stays here"
        );
    }
    assert_eq!(auth.requests(), 4);
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_question() {
    both_carriers(async |carrier| {
        let (app, auth) = (origin().await, origin().await);
        let service = auth.address().expect("an origin on TCP");
        let portcullis = asking(carrier, &app, service, "path: /hang, timeout: 1h").await;
        let address = portcullis.listener("http");
        let in_flight =
            format!("portcullis_upstream_in_flight{{endpoint=\"{service}\",pool=\"auth\"}}");
        for body in ["\r\n", "Content-Length: 9\r\n\r\nhalf"] {
            let head = format!("PUT / HTTP/1.1\r\nHost: a\r\n{body}");
            let raw = Raw::sent(address, head).await;
            arrived(&auth, 1).await;
            assert_eq!(portcullis.metric(&in_flight).await, 1.0);
            drop(raw);
            arrived(&auth, 0).await;
            eventually("its place is free again", async || {
                portcullis.metric(&in_flight).await == 0.0
            })
            .await;
        }
        let line = portcullis
            .logged(|line| line["reason"] == "client_gone")
            .await;
        assert_eq!(line["phase"], "route", "{line}");
        assert_eq!(app.journal().requests(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_the_service_has_closed_is_replaced_without_anyone_noticing() {
    let app = origin().await;
    let once = RawOrigin::start(|_| {
        RawAnswer::new()
            .send("HTTP/1.1 204 No Content\r\n\r\n")
            .close()
    });
    let once = once.await.expect("a service");
    let portcullis = asking(Carrier::Direct, &app, once.address(), "").await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..20 {
        assert_eq!(client.get("/echo").await.status, 200);
    }
    assert_eq!(once.requests(), 20);
}

#[tokio::test]
async fn a_good_answer_whose_body_comes_behind_its_header_keeps_its_connection() {
    let app = origin().await;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    let service = RawOrigin::start(move |_| RawAnswer::new().send(head).send("ok"));
    let service = service.await.expect("a service");
    let portcullis = asking(Carrier::Direct, &app, service.address(), "").await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..40 {
        assert_eq!(client.get("/echo").await.status, 200);
    }
    // On a busy machine one may come too late.
    let connections = service.connections();
    assert!(connections <= 20, "{connections} for 40 questions");
}

#[tokio::test]
async fn a_route_without_a_pool_is_guarded_as_well() {
    let auth = service().await;
    let address = auth.address();
    let config = format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: all, forward_auth: {{pool: auth}}, respond: {{body: secret}}}}]\n\
         pools: [{{name: auth, endpoints: ['{address}']}}]\n"
    );
    let portcullis = Portcullis::start(&config).await;
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(client.get("/").await.status, 302);
    assert_eq!(get(&mut client, "/", &[GOOD]).await.text(), "secret");
}

#[tokio::test]
async fn requests_that_come_at_once_are_asked_about_in_turn() {
    both_carriers(async |carrier| {
        let (app, auth) = (origin().await, service().await);
        let portcullis = asking(carrier, &app, auth.address(), "").await;
        let ask = |path, token| {
            format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")
        };
        let asked = [
            ask("/echo?1", "good"),
            ask("/echo?2", "bad"),
            ask("/echo?3", "good"),
        ];
        let mut raw = Raw::sent(portcullis.listener("http"), asked.concat()).await;
        assert_eq!(raw.response().await.json()["uri"], "/echo?1");
        assert_eq!(raw.response().await.status, 302);
        assert_eq!(raw.response().await.json()["uri"], "/echo?3");
    })
    .await;
}
