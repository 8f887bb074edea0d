//! How long may one attempt take, and all of them together?

use std::time::{Duration, Instant};

use super::*;

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_made_elsewhere() {
    both_carriers(async |carrier| {
        // It takes requests and says nothing.
        let (silent, good) = (always(RawAnswer::new()).await, origin().await);
        let endpoints = [silent.address(), good.address().expect("TCP")];
        let rules = ", retries: {on: [timeout], per_try_timeout: 600ms}";
        let portcullis = Portcullis::builder(&pool(&endpoints, rules, ""))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let started = Instant::now();
        for mut client in [http1(address).await, http2(address).await] {
            for _ in 0..2 {
                assert_eq!(client.get("/").await.status, 200);
            }
        }
        assert_eq!((silent.requests(), good.journal().requests()), (2, 4));
        assert!(started.elapsed() >= Duration::from_millis(1200));
        assert!(started.elapsed() < PATIENCE);
        assert_eq!(counted(&portcullis, "sent").await, 2.0);
        // The one that is slow has learnt it, and a body may still take its time.
        let line = portcullis.logged(|line| line["attempts"] == 2).await;
        assert_eq!(line["status"], 200, "{line}");
        let mut client = http1(address).await;
        for _ in 0..2 {
            let answer = client.get("/delay-body/1000").await;
            assert_eq!((answer.status.as_u16(), answer.body.len() > 1), (200, true));
        }
    })
    .await;
}

#[tokio::test]
async fn a_post_that_takes_too_long_for_one_attempt_is_sent_once() {
    both_carriers(async |carrier| {
        let (silent, good) = (always(RawAnswer::new()).await, origin().await);
        let endpoints = [silent.address(), good.address().expect("TCP")];
        let rules = format!(", retries: {{on: [timeout], per_try_timeout: 600ms, {RICH}}}");
        let portcullis = Portcullis::builder(&pool(&endpoints, &rules, ""))
            .carrier(carrier)
            .start()
            .await;
        let mut statuses = Vec::new();
        for _ in 0..4 {
            let mut client = http1(portcullis.listener("http")).await;
            statuses.push(client.post("/", "").await.status.as_u16());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 504, 504]);
        // The ledger: four requests, four attempts.
        assert_eq!((silent.requests(), good.journal().requests()), (2, 2));
        assert_eq!(counted(&portcullis, "method").await, 2.0);
        assert_eq!(counted(&portcullis, "sent").await, 0.0);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_does_not_open_in_time_is_tried_elsewhere() {
    both_carriers(async |carrier| {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let authority = Authority::new();
        let identity = authority.issue(&["inner.test"]);
        let tls = origin::TlsSettings {
            cert_pem: identity.certificate.clone(),
            key_pem: identity.key.clone(),
            client_ca_pem: None,
        };
        let good = origin::Origin::builder()
            .tls(tls)
            .start()
            .await
            .expect("an origin");
        let endpoints = [
            silent.local_addr().expect("TCP"),
            good.address().expect("TCP"),
        ];
        let rules = ", tls: {verify: false}, timeouts: {connect: 1s}";
        let portcullis = Portcullis::builder(&pool(&endpoints, rules, ""))
            .carrier(carrier)
            .start()
            .await;
        let mut client = http1(portcullis.listener("http")).await;
        for _ in 0..2 {
            assert_eq!(client.get("/").await.status, 200);
        }
        assert_eq!(counted(&portcullis, "sent").await, 1.0);
    })
    .await;
}

#[tokio::test]
async fn the_time_of_the_whole_request_bounds_all_attempts_and_waits() {
    both_carriers(async |carrier| {
        let silent = always(RawAnswer::new()).await;
        let rules = ", timeouts: {total: 3500ms}, retries: {limit: 10, on: [timeout], per_try_timeout: 1s, \
                     backoff: {base: 1ms, max: 1ms}}";
        let portcullis = Portcullis::builder(&pool(&[silent.address()], rules, ""))
            .carrier(carrier)
            .start()
            .await;
        let started = Instant::now();
        let answer = http1(portcullis.listener("http")).await.get("/").await;
        assert_eq!(answer.status, 504);
        assert!(started.elapsed() < Duration::from_secs(10));
        let line = portcullis.logged(|_| true).await;
        assert_eq!(line["reason"], "total_timeout", "{line}");
        assert!((2..=4).contains(&silent.requests()), "{}", silent.requests());

        // A wait that would not end in time is not begun.
        let broken = always(RawAnswer::new().close()).await;
        let rules = ", timeouts: {total: 5s}, retries: {limit: 10, backoff: {base: 1h, max: 1h}}";
        let portcullis = Portcullis::builder(&pool(&[broken.address()], rules, ""))
            .carrier(carrier)
            .start()
            .await;
        let started = Instant::now();
        assert_eq!(http1(portcullis.listener("http")).await.get("/").await.status, 502);
        assert!(started.elapsed() < Duration::from_secs(4));
        assert_eq!(counted(&portcullis, "deadline").await, 1.0);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_wait_for_the_next_attempt() {
    both_carriers(async |carrier| {
        let broken = always(RawAnswer::new().close()).await;
        let rules = ", retries: {backoff: {base: 1h, max: 1h}}";
        let portcullis = Portcullis::builder(&pool(&[broken.address()], rules, ""))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        let raw = Raw::sent(address, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        eventually("the first attempt has failed", async || {
            let failures = "portcullis_upstream_requests_total{endpoint=";
            portcullis.metric(failures).await >= 1.0
        })
        .await;
        drop(raw);
        let line = portcullis.logged(|_| true).await;
        assert_eq!(
            (&line["reason"], &line["status"], &line["phase"]),
            (&"client_gone".into(), &499.into(), &"pool".into()),
            "{line}"
        );
        assert_eq!(broken.requests(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_only_endpoint_is_asked_again_after_a_wait() {
    both_carriers(async |carrier| {
        let flaky = origin().await;
        let rules = ", retries: {on: [503], backoff: {base: 1ms}}";
        let endpoints = [flaky.address().expect("TCP")];
        let portcullis = Portcullis::builder(&pool(&endpoints, rules, ""))
            .carrier(carrier)
            .start()
            .await;
        let mut client = http1(portcullis.listener("http")).await;
        for _ in 0..10 {
            assert_eq!(client.get("/flaky/0.5").await.status, 200);
        }
        let sent = counted(&portcullis, "sent").await;
        assert_eq!(flaky.journal().requests() as f64, 10.0 + sent);
        assert!(sent >= 4.0, "{sent}");
    })
    .await;
}
