//! How does a client of HTTP/1 hear that the process ends, and does everyone who was being served get the whole answer?

use std::time::{Duration, Instant};

use origin::expected_bytes;

use crate::support::*;

async fn get(portcullis: &Portcullis, path: &str) -> Raw {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    Raw::sent(portcullis.listener("http"), request).await
}

/// A signal to stop, and the log line that says that connections know of it.
async fn told_to_stop(portcullis: &Portcullis) {
    portcullis.signal("TERM");
    portcullis.says(" to end").await;
}

/// What is asked over HTTP/2.
async fn asked_over_http2(portcullis: &Portcullis, method: &str, path: &str, body: &str) -> Answer {
    let mut client = http2(portcullis.listener("http")).await;
    let body = full(body.to_owned());
    let request = request(method, path).body(body).expect("a request");
    client.ask(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_in_flight_at_sigterm_is_answered_whole_and_then_the_process_ends() {
    for carrier in ["auto", "duplex"] {
        let origin = origin().await;
        let yaml = site("", origin.address()) + &format!("runtime: {{carrier: {carrier}}}\n");
        let mut portcullis = Portcullis::start(&yaml).await;
        let mut late = get(&portcullis, "/held").await;
        let mut streaming = get(&portcullis, "/held-body").await;
        let mut download = get(&portcullis, "/bytes/20m").await;
        let mut upload = Raw::sent(
            portcullis.listener("http"),
            "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf",
        )
        .await;
        let mut chunked = Raw::sent(
            portcullis.listener("http"),
            "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        )
        .await;
        // The download stays in flight because most of it is not read yet.
        streaming.until(b"so far\n").await;
        download.until(b"\r\n\r\n").await;
        let over_http2 = async {
            tokio::join!(
                asked_over_http2(&portcullis, "GET", "/held", ""),
                asked_over_http2(&portcullis, "GET", "/held-body", ""),
                asked_over_http2(&portcullis, "POST", "/held", "a body"),
            )
        };
        let over_http1 = async {
            arrived(&origin, 8).await;
            told_to_stop(&portcullis).await;
            origin.release();
            upload.send("half").await;
            chunked.send("4\r\nhalf\r\n0\r\n\r\n").await;
            let mut answers = Vec::new();
            for raw in [&mut upload, &mut chunked, &mut late] {
                let answer = raw.last_response().await;
                assert_eq!((answer.status, answer.closes()), (200, true), "{answer:?}");
                answers.push(answer);
            }
            assert_eq!(answers[0].json()["bytes"], 8);
            assert_eq!(answers[1].json()["bytes"], 8);
            assert_eq!(answers[2].text(), "at last\n");
            let rest = streaming.rest().await;
            let rest = String::from_utf8_lossy(&rest).into_owned();
            assert!(rest.contains("at last\n"), "{rest}");
            assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
            let whole = download.rest().await;
            assert!(whole == expected_bytes(20 << 20), "{} bytes", whole.len());
            Instant::now()
        };
        let ((late, streamed, posted), one) = tokio::join!(over_http2, over_http1);
        for answer in [&late, &posted] {
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (http::StatusCode::OK, "at last\n")
            );
        }
        assert_eq!(streamed.text(), "so far\nat last\n");
        assert_eq!(portcullis.end().await.code(), Some(0));
        let took = one.elapsed();
        // The grace is 30 seconds.
        assert!(
            took < Duration::from_secs(10),
            "{carrier}: {took:?} after the last answer"
        );
        assert_eq!(origin.journal().cancelled(), 0, "{carrier}");
        assert!(
            !portcullis.stderr().contains("are cut"),
            "{}",
            portcullis.stderr()
        );
        // Their lines are in the log: it is written out before the end.
        assert_eq!(portcullis.access_log().len(), 8, "{carrier}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_begins_after_sigterm_is_the_last_one_on_its_connection() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let builder = Portcullis::builder(&site("", origin.address())).carrier(carrier);
        let mut portcullis = builder.start().await;
        // Both kinds of keepalive, and a second request that waits behind the first.
        let mut new = get(&portcullis, "/held").await;
        let mut old = Raw::connect(portcullis.listener("http")).await;
        assert!(!old.get("/bytes/1").await.closes());
        old.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut pipelined = get(&portcullis, "/held").await;
        pipelined
            .send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        let mut http10 = Raw::sent(
            portcullis.listener("http"),
            "GET /held HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        )
        .await;
        arrived(&origin, 4).await;
        told_to_stop(&portcullis).await;
        origin.release();
        for raw in [&mut new, &mut old, &mut pipelined] {
            let answer = raw.last_response().await;
            assert_eq!((answer.status, answer.closes()), (200, true), "{answer:?}");
        }
        let answer = http10.last_response().await;
        let connection = answer.header("connection").unwrap_or("close");
        assert_eq!((answer.status, connection), (200, "close"), "{answer:?}");
        assert_eq!(portcullis.end().await.code(), Some(0));
        assert_eq!(origin.journal().requests(), 5, "/never has not gone there");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_behind_an_answer_that_began_before_sigterm_is_answered_as_the_last_one() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let builder = Portcullis::builder(&site("", origin.address())).carrier(carrier);
        let mut portcullis = builder.start().await;
        let mut raw = get(&portcullis, "/held-body").await;
        raw.until(b"\r\n\r\n").await;
        raw.send("GET /bytes/7 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        told_to_stop(&portcullis).await;
        origin.release();
        // Nothing has told the client that its connection ends.
        raw.until(b"0\r\n\r\n").await;
        let answer = raw.last_response().await;
        assert_eq!((answer.status, answer.body.len()), (200, 7), "{answer:?}");
        assert!(answer.closes(), "{answer:?}");
        assert_eq!(portcullis.end().await.code(), Some(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_answer_says_that_it_is_the_last_one() {
    let origin = origin().await;
    // Bound and not listening: connections are refused, and nobody else gets the port.
    let nobody = tokio::net::TcpSocket::new_v4().expect("a socket");
    let anywhere = "127.0.0.1:0".parse().expect("an address");
    nobody.bind(anywhere).expect("a port");
    let gone = nobody.local_addr().expect("an address");
    let yaml = format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\", limits: {{uri: 1KiB}}}}]\n\
         routes:\n\
         - {{name: moved, match: {{paths: [{{prefix: /old}}]}}, redirect: {{scheme: https}}}}\n\
         - {{name: fixed, match: {{paths: [{{prefix: /fixed}}]}}, respond: {{status: 200, body: fixed}}}}\n\
         - {{name: gone, match: {{paths: [{{prefix: /gone}}]}}, pool: gone}}\n\
         - {{name: origin, match: {{paths: [{{prefix: /status}}, {{prefix: /chunked}}, {{prefix: /bytes}}]}}, pool: origin}}\n\
         pools:\n\
         - {{name: origin, endpoints: [\"{}\"]}}\n\
         - {{name: gone, endpoints: [\"{gone}\"]}}\n\
         runtime: {{stop_delay: 1h}}\n",
        origin.address().expect("TCP"),
    );
    let mut portcullis = Portcullis::start(&yaml).await;
    let long = format!("/{}", "x".repeat(2000));
    let asked = [
        ("GET", "/old/a", 302),
        ("GET", "/fixed", 200),
        ("HEAD", "/fixed", 200),
        ("GET", "/gone", 502),
        ("GET", "/nowhere", 404),
        ("TRACE", "/fixed", 405),
        ("GET", &long, 414),
        ("GET", "/status/204", 204),
        ("GET", "/status/304", 304),
        ("GET", "/status/404", 404),
        ("GET", "/status/503", 503),
        ("HEAD", "/bytes/9", 200),
        ("GET", "/chunked/9", 200),
    ];
    let mut parked = Vec::new();
    for _ in &asked {
        let mut raw = Raw::connect(portcullis.listener("http")).await;
        assert!(!raw.get("/fixed").await.closes());
        parked.push(raw);
    }
    portcullis.signal("TERM");
    // Everyone has heard it then, and all of this comes during the delay.
    portcullis.says("not ready any more").await;
    for (raw, (method, path, status)) in parked.iter_mut().zip(asked) {
        raw.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        let answer = match method {
            "HEAD" => raw.response_to_head().await,
            _ => raw.response().await,
        };
        assert_eq!(
            (answer.status, answer.closes()),
            (status, true),
            "{answer:?}"
        );
        let rest = raw.rest().await;
        assert!(rest.is_empty(), "{method} {path}: {rest:?}");
    }
    portcullis.signal("TERM");
    assert_eq!(portcullis.end().await.code(), Some(0));
}
