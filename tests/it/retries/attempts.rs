//! Which failures lead to another attempt, and where does it go?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

#[tokio::test]
async fn an_endpoint_that_refuses_costs_no_request() {
    both_carriers(async |carrier| {
        let (refusing, _held) = nobody();
        let good = origin().await;
        let rules = format!(", retries: {{{RICH}}}");
        let yaml = pool(&[refusing, good.address().expect("TCP")], &rules, "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            for _ in 0..8 {
                assert_eq!(client.get("/").await.status, 200);
            }
        }
        assert_eq!(good.journal().requests(), 16);
        assert_eq!(counted(&portcullis, "sent").await, 8.0);
        let line = portcullis.logged(|line| line["attempts"] == 2).await;
        assert_eq!(
            (&line["retries"], &line["endpoint"], line.get("reason")),
            (
                &1.into(),
                &good.address().expect("TCP").to_string().into(),
                None
            ),
            "{line}"
        );
        // Each attempt has taught something about its own endpoint.
        let failures = format!(
            "portcullis_upstream_requests_total{{endpoint=\"{refusing}\",outcome=\"failure\""
        );
        assert_eq!(portcullis.metric(&failures).await, 8.0);
    })
    .await;
}

#[tokio::test]
async fn what_is_lost_before_its_answer_is_repeated_only_if_its_method_may_be() {
    both_carriers(async |carrier| {
        for answer in [RawAnswer::new().close(), RawAnswer::new().reset()] {
            let (broken, good) = (always(answer).await, origin().await);
            let endpoints = [broken.address(), good.address().expect("TCP")];
            let yaml = pool(&endpoints, &format!(", retries: {{{RICH}}}"), "");
            let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
            let mut client = http1(portcullis.listener("http")).await;
            for method in ["GET", "HEAD", "DELETE", "PUT", "OPTIONS"] {
                for _ in 0..2 {
                    let answer = client
                        .ask(request(method, "/").body(full("")).expect("a request"))
                        .await;
                    assert_eq!(answer.status, 200, "{method}: {answer:?}");
                }
            }
            assert_eq!((broken.requests(), good.journal().requests()), (5, 10));

            let mut statuses = Vec::new();
            for method in ["POST", "PATCH"] {
                for _ in 0..2 {
                    let answer = http1(portcullis.listener("http"))
                        .await
                        .ask(request(method, "/").body(full("")).expect("a request"))
                        .await;
                    statuses.push(answer.status.as_u16());
                }
            }
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 200, 502, 502]);
            // The ledger: none of the four came twice.
            assert_eq!((broken.requests(), good.journal().requests()), (7, 12));
            assert_eq!(counted(&portcullis, "method").await, 2.0);
            assert_eq!(counted(&portcullis, "sent").await, 5.0);
        }
    })
    .await;
}

#[tokio::test]
async fn a_route_may_allow_what_its_pool_does_not() {
    both_carriers(async |carrier| {
        let (broken, good) = (always(RawAnswer::new().close()).await, origin().await);
        let endpoints = [broken.address(), good.address().expect("TCP")];
        let yaml = pool(&endpoints, "", ", retries: {non_idempotent: true}");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut client = http1(portcullis.listener("http")).await;
        for _ in 0..4 {
            let post = request("POST", "/").body(full("")).expect("a request");
            assert_eq!(client.ask(post).await.status, 200);
        }
        assert_eq!((broken.requests(), good.journal().requests()), (2, 4));

        let yaml = pool(&endpoints, "", ", retries: {limit: 0}");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut statuses = [0; 2];
        for status in &mut statuses {
            let answer = http1(portcullis.listener("http")).await.get("/").await;
            *status = answer.status.as_u16();
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 502]);
        assert_eq!(
            portcullis.metric("portcullis_upstream_retries_total").await,
            0.0
        );
    })
    .await;
}

#[tokio::test]
async fn a_listed_status_is_asked_again_and_the_last_answer_is_the_endpoints_own() {
    both_carriers(async |carrier| {
        let requests = Arc::new(AtomicU64::new(0));
        let moody = RawOrigin::start(move |_| {
            let number = requests.fetch_add(1, Ordering::Relaxed);
            // Every third is answered; the answers that are not passed on have bodies of all kinds.
            RawAnswer::new().send(match number % 3 {
                0 => UNAVAILABLE,
                1 => "HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\n\r\n2\r\noh\r\n0\r\n\r\n",
                _ => OK,
            })
        });
        let moody = moody.await.expect("an origin");
        let rules =
            format!(", retries: {{limit: 2, on: [500, '502-504'], backoff: {{base: 0s}}, {RICH}}}");
        let yaml = pool(&[moody.address()], &rules, "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            for _ in 0..3 {
                let answer = client.get("/").await;
                assert_eq!(
                    (answer.status.as_u16(), answer.text().as_str()),
                    (200, "ok")
                );
            }
        }
        assert_eq!(moody.requests(), 18);
        if carrier == Carrier::Direct {
            // What was there already was read, and its connection used again.
            assert!(moody.connections() <= 2, "{}", moody.connections());
        }

        let busy = always(RawAnswer::new().send(UNAVAILABLE)).await;
        let yaml = pool(&[busy.address()], &rules, "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let answer = http1(portcullis.listener("http")).await.get("/").await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.header("x-from"),
                answer.text().as_str()
            ),
            (503, Some("origin"), "busy")
        );
        assert_eq!(busy.requests(), 3);
        let line = portcullis.logged(|line| line["status"] == 503).await;
        assert_eq!(
            (&line["attempts"], &line["retries"], line.get("reason")),
            (&3.into(), &2.into(), None)
        );
        assert_eq!(counted(&portcullis, "limit").await, 1.0);
    })
    .await;
}

#[tokio::test]
async fn a_post_is_not_asked_again_for_a_listed_status() {
    both_carriers(async |carrier| {
        let busy = [
            always(RawAnswer::new().send(UNAVAILABLE)).await,
            always(RawAnswer::new().send(UNAVAILABLE)).await,
        ];
        let rules = format!(", retries: {{limit: 3, on: [503], backoff: {{base: 0s}}, {RICH}}}");
        let endpoints = busy.each_ref().map(RawOrigin::address);
        let yaml = pool(&endpoints, &rules, "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let answer = client.post("/", "").await;
            assert_eq!(
                (answer.status.as_u16(), answer.text().as_str()),
                (503, "busy")
            );
        }
        // The ledger: two requests, two attempts.
        let attempts: u64 = busy.iter().map(RawOrigin::requests).sum();
        assert_eq!(attempts, 2);
        assert_eq!(counted(&portcullis, "method").await, 2.0);
        assert_eq!(counted(&portcullis, "sent").await, 0.0);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_repeated_after_a_part_of_an_answer() {
    both_carriers(async |carrier| {
        for part in [
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
        ] {
            let cut = always(RawAnswer::new().send(part).close()).await;
            let good = origin().await;
            let endpoints = [cut.address(), good.address().expect("TCP")];
            let portcullis = Portcullis::builder(&pool(&endpoints, "", ""))
                .carrier(carrier)
                .start()
                .await;
            let mut broken = 0;
            for _ in 0..2 {
                let mut client = http1(portcullis.listener("http")).await;
                let get = request("GET", "/").body(full("")).expect("a request");
                let whole = match client.send(get).await {
                    Ok(response) if response.status() == 200 => {
                        Answer::read(response).await.is_ok()
                    }
                    _ => false,
                };
                broken += u32::from(!whole);
            }
            assert_eq!(broken, 1, "{part:?}");
            assert_eq!(
                (cut.requests(), good.journal().requests()),
                (1, 1),
                "{part:?}"
            );
            assert_eq!(counted(&portcullis, "sent").await, 0.0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_is_repeated_only_if_there_was_no_connection() {
    let (refusing, _held) = nobody();
    let (broken, good) = (always(RawAnswer::new().close()).await, origin().await);
    let good_address = good.address().expect("TCP");
    let portcullis = Portcullis::start(&pool(&[refusing, good_address], "", "")).await;
    for _ in 0..2 {
        let mut socket = WebSocket::connect(portcullis.listener("http"), "/ws");
        socket.send("hello").expect("sent");
        assert!(socket.receive().expect("an echo").is_text());
    }
    assert_eq!(counted(&portcullis, "sent").await, 1.0);

    let portcullis = Portcullis::start(&pool(&[broken.address(), good_address], "", "")).await;
    let before = good.journal().requests();
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::sent(
            portcullis.listener("http"),
            "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
        statuses.push(raw.response().await.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [101, 502]);
    assert_eq!(
        (broken.requests(), good.journal().requests()),
        (1, before + 1)
    );
}
