//! What follows when the service gives no answer?

use std::time::{Duration, Instant};

use super::*;

/// The address of a service that is not there.
fn gone() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

#[tokio::test]
async fn nobody_comes_in_unasked_unless_the_route_says_so() {
    both_carriers(async |carrier| {
        let app = origin().await;
        let service = gone();
        for (settings, status, reason) in [
            ("", 503, Some("auth_unavailable")),
            ("status: 403", 403, Some("auth_unavailable_forbidden")),
            ("on_failure: allow, response_headers: [X-User]", 200, None),
        ] {
            let portcullis = asking(carrier, &app, service, settings).await;
            let address = portcullis.listener("http");
            for mut client in [http1(address).await, http2(address).await] {
                let answer = get(&mut client, "/echo", &[("x-user", "root")]).await;
                assert_eq!(answer.status, status, "{settings}");
                match reason {
                    Some(reason) => assert!(answer.text().contains(reason), "{answer:?}"),
                    None => assert_eq!(answer.seen_header("x-user"), None, "nobody has said so"),
                }
                assert_eq!(
                    answer.header("retry-after").is_some(),
                    status == 503,
                    "{settings}"
                );
            }
            let line = portcullis.logged(|line| line["status"] == status).await;
            assert_eq!(line["reason"].as_str(), reason, "{line}");
            if let Some(reason) = reason {
                let failures = format!("portcullis_failures_total{{reason=\"{reason}\"");
                assert_eq!(portcullis.metric(&failures).await, 2.0);
            }
            portcullis.says("pool auth: endpoint").await;
        }
        assert_eq!(app.journal().requests(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_answer_is_no_leave() {
    let app = origin().await;
    for answer in [
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "200 OK\r\n\r\n",
        "HTTP/1.1 200",
    ] {
        let service = RawOrigin::start(move |_| RawAnswer::new().send(answer).close());
        let service = service.await.expect("a service");
        let portcullis = asking(Carrier::Direct, &app, service.address(), "").await;
        let mut client = http1(portcullis.listener("http")).await;
        let refused = client.get("/echo").await;
        assert_eq!(refused.status, 503, "{answer}");
        assert!(refused.text().contains("auth_unavailable"), "{answer}");
    }
    assert_eq!(app.journal().requests(), 0);
}

#[tokio::test]
async fn interim_answers_are_waited_past() {
    let app = origin().await;
    let answer = "HTTP/1.1 103 Early Hints\r\nX-User: eve\r\n\r\nHTTP/1.1 200 OK\r\nX-User: alice\r\nContent-Length: 0\r\n\r\n";
    let service = RawOrigin::start(move |_| RawAnswer::new().send(answer))
        .await
        .expect("a service");
    let portcullis = asking(
        Carrier::Direct,
        &app,
        service.address(),
        "response_headers: [X-User]",
    )
    .await;
    let mut client = http1(portcullis.listener("http")).await;
    let answer = client.get("/echo").await;
    assert_eq!(answer.seen_header("x-user").as_deref(), Some("alice"));
}

#[tokio::test]
async fn the_deadline_holds_for_the_whole_question() {
    both_carriers(async |carrier| {
        let (app, auth) = (origin().await, origin().await);
        let service = auth.address().expect("an origin on TCP");
        let portcullis = asking(carrier, &app, service, "path: /hang, timeout: 300ms").await;
        let mut client = http1(portcullis.listener("http")).await;
        let started = Instant::now();
        assert_eq!(client.get("/echo").await.status, 503);
        let took = started.elapsed();
        // Pingora's timers may fire a little early. The pool's own time would be a minute.
        assert!(took >= Duration::from_millis(290), "{took:?}");
        assert!(took < Duration::from_secs(20), "{took:?}");
        arrived(&auth, 0).await;
        assert_eq!(app.journal().requests(), 0);
    })
    .await;
}

#[tokio::test]
async fn the_body_of_a_good_answer_is_not_waited_for() {
    let (app, auth) = (origin().await, origin().await);
    let service = auth.address().expect("an origin on TCP");
    let portcullis = asking(
        Carrier::Direct,
        &app,
        service,
        "path: /hang-body, timeout: 1h",
    )
    .await;
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(client.get("/echo").await.status, 200);
    arrived(&auth, 0).await;
}

/// A service that lets nobody in, and whose words never arrive as they should.
async fn mumbling() -> RawOrigin {
    let answer = |head: &[u8]| {
        let refused = |framing: &str| {
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\
                 ETag: \"1\"\r\nContent-Security-Policy: default-src 'none'\r\n{framing}\r\n\r\n"
            );
            RawAnswer::new().send(head)
        };
        let path = head.split(|byte| *byte == b' ').nth(1);
        match path.unwrap_or_default() {
            b"/long" => refused("Content-Length: 65537").send(vec![b'n'; 65_537]),
            b"/endless" => refused("Transfer-Encoding: chunked")
                .send("1\r\nx\r\n")
                .pause(PATIENCE * 2),
            b"/short" => refused("Content-Length: 9").send("half").close(),
            b"/no-chunk" => refused("Transfer-Encoding: chunked").send("zz\r\n").close(),
            _ => refused("Transfer-Encoding: gzip, chunked")
                .send("0\r\n\r\n")
                .close(),
        }
    };
    RawOrigin::start(answer).await.expect("a service")
}

#[tokio::test]
async fn a_refusal_whose_body_can_not_be_had_is_one_without_a_body() {
    both_carriers(async |carrier| {
        let (app, service) = (origin().await, mumbling().await);
        for on_failure in ["refuse", "allow"] {
            // Long: a header that came too late would be no answer.
            let settings = format!("on_failure: {on_failure}, timeout: 3s");
            let portcullis = asking(carrier, &app, service.address(), &settings).await;
            let mut client = http1(portcullis.listener("http")).await;
            for path in ["/long", "/short", "/no-chunk", "/odd-coding", "/endless"] {
                let answer = client.get(path).await;
                assert_eq!(answer.status, 302, "{path}, {on_failure}");
                assert_eq!(answer.header("location"), Some("/login"), "{path}");
                assert_eq!(answer.body.len(), 0, "{path}");
                for about_the_body in ["content-type", "content-encoding", "etag"] {
                    assert_eq!(answer.header(about_the_body), None, "{path}");
                }
                let policy = answer.header("content-security-policy");
                assert_eq!(policy, Some("default-src 'none'"), "{path}");
            }
            portcullis.says("the body of a refusal is left out").await;
        }
        assert_eq!(app.journal().requests(), 0);
        assert_eq!(
            service.requests(),
            service.connections(),
            "none is used again"
        );
    })
    .await;
}

#[tokio::test]
async fn the_pools_breaker_opens_and_spares_the_service() {
    let (app, auth) = (origin().await, origin().await);
    let service = auth.address().expect("an origin on TCP");
    let breaker = "breaker: {consecutive_failures: 3, open_for: 1h, max_open_for: 1h}";
    let config = guarded(&app, service, "path: /status/503", breaker);
    let portcullis = Portcullis::start(&config).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..10 {
        assert_eq!(client.get("/echo").await.status, 503);
    }
    assert_eq!(auth.journal().requests(), 3);
    let refused = "portcullis_pool_refused_total{pool=\"auth\",reason=\"breaker_open\"}";
    assert_eq!(portcullis.metric(refused).await, 7.0);
    let answer = client.get("/echo").await;
    let seconds = answer.header("retry-after").expect("a time").parse::<u64>();
    assert_eq!(
        seconds,
        Ok(300),
        "when the breaker lets the next one through, up to the longest wait"
    );
}

#[tokio::test]
async fn another_endpoint_of_the_service_is_asked_when_one_is_gone() {
    let (app, auth) = (origin().await, service().await);
    let (dead, alive) = (gone(), auth.address());
    let config = guarded(&app, dead, "", "").replace(
        &format!("endpoints: ['{dead}']"),
        &format!("endpoints: ['{dead}', '{alive}']"),
    );
    let portcullis = Portcullis::start(&config).await;
    let mut client = http1(portcullis.listener("http")).await;
    for _ in 0..10 {
        assert_eq!(get(&mut client, "/echo", &[GOOD]).await.status, 200);
    }
    assert_eq!(auth.requests(), 10);
}
