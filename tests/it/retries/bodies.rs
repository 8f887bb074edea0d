//! What becomes of a request's body when its attempt fails?

use super::*;

const SMALL: usize = 10_000;
const LARGE: usize = 1 << 20;

fn upload(method: &str, length: usize) -> http::Request<Body> {
    let body = origin::expected_bytes(length);
    request(method, "/upload")
        .body(full(body))
        .expect("a request")
}

/// What the origin's `/upload` says about a body that arrived whole.
async fn whole(length: usize) -> serde_json::Value {
    let origin = origin().await;
    let mut client = http1(origin.address().expect("TCP")).await;
    client.ask(upload("POST", length)).await.json()
}

#[tokio::test]
async fn a_body_of_any_size_arrives_whole_where_another_endpoint_refused_the_connection() {
    let expected = whole(LARGE).await;
    for protocol in ["http1", "http2"] {
        let (refusing, _held) = nobody();
        let good = origin().await;
        let endpoints = [refusing, good.address().expect("TCP")];
        let yaml = pool(&endpoints, &format!(", protocol: {protocol}"), "");
        let portcullis = Portcullis::start(&yaml).await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            for method in ["POST", "PUT", "POST"] {
                let answer = client.ask(upload(method, LARGE)).await;
                assert_eq!(answer.status, 200, "{protocol} {method}: {answer:?}");
                assert_eq!(answer.json(), expected, "{protocol} {method}");
            }
        }
        assert_eq!(good.journal().requests(), 6);
        // The last request is counted after its answer.
        let bytes = "portcullis_request_body_bytes_total{route=\"all\"}";
        eventually("all bytes are counted", async || {
            portcullis.metric(bytes).await == 6.0 * LARGE as f64
        })
        .await;
    }
}

#[tokio::test]
async fn a_small_body_is_sent_again_whole_and_never_with_post() {
    let expected = whole(SMALL).await;
    for read in [0, 1, SMALL] {
        for reset in [false, true] {
            let taken = RawAnswer::new().read(read);
            let answer = if reset { taken.reset() } else { taken.close() };
            let (broken, good) = (always(answer).await, origin().await);
            let endpoints = [broken.address(), good.address().expect("TCP")];
            let portcullis = Portcullis::start(&pool(&endpoints, "", "")).await;
            let address = portcullis.listener("http");
            for mut client in [http1(address).await, http2(address).await] {
                for _ in 0..2 {
                    let answer = client.ask(upload("PUT", SMALL)).await;
                    assert_eq!(answer.status, 200, "{read} {reset}: {answer:?}");
                    assert_eq!(answer.json(), expected, "{read} {reset}");
                }
            }
            assert_eq!((broken.requests(), good.journal().requests()), (2, 4));
            let mut statuses = Vec::new();
            for _ in 0..2 {
                let mut client = http1(address).await;
                statuses.push(client.ask(upload("POST", SMALL)).await.status.as_u16());
            }
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 502], "{read} {reset}");
            assert_eq!((broken.requests(), good.journal().requests()), (3, 5));
            // The log tells what the client sent, not how often it was sent on.
            let line = portcullis.logged(|line| line["attempts"] == 2).await;
            assert_eq!(line["bytes_received"], SMALL, "{line}");
        }
    }
}

#[tokio::test]
async fn a_body_that_was_not_kept_is_not_sent_again() {
    let broken = always(RawAnswer::new().read(200_000).reset()).await;
    let good = origin().await;
    let endpoints = [broken.address(), good.address().expect("TCP")];
    let portcullis = Portcullis::start(&pool(&endpoints, "", "")).await;
    let address = portcullis.listener("http");
    for mut clients in [
        [http1(address).await, http1(address).await],
        [http2(address).await, http2(address).await],
    ] {
        let mut statuses = Vec::new();
        for client in &mut clients {
            statuses.push(client.ask(upload("PUT", LARGE)).await.status.as_u16());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 502]);
    }
    assert_eq!((broken.requests(), good.journal().requests()), (2, 2));
    assert_eq!(counted(&portcullis, "body").await, 2.0);
    assert_eq!(counted(&portcullis, "sent").await, 0.0);
}

#[tokio::test]
async fn a_listed_status_is_asked_again_with_the_body() {
    let expected = whole(SMALL).await;
    for protocol in ["http1", "http2"] {
        // The first says so after the whole body, without being asked for anything more.
        let (busy, good) = (origin().await, origin().await);
        let endpoints = [&busy, &good].map(|one| one.address().expect("TCP"));
        let rules = format!(", protocol: {protocol}, retries: {{on: [404, 503], limit: 1}}");
        let portcullis = Portcullis::start(&pool(&endpoints, &rules, "")).await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            let body = origin::expected_bytes(SMALL);
            let put = request("PUT", "/status/503")
                .body(full(body))
                .expect("a request");
            let answer = client.ask(put).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("x-origin")),
                (503, Some("origin"))
            );
            assert_eq!(client.ask(upload("PUT", SMALL)).await.json(), expected);
        }
        let requests = [&busy, &good].map(|one| one.journal().requests());
        assert_eq!(requests.iter().sum::<u64>(), 6, "{requests:?}");
        assert!(requests.iter().all(|count| *count >= 2), "{requests:?}");
        assert_eq!(counted(&portcullis, "sent").await, 2.0);
    }
}

/// An HTTP/2 endpoint that resets every stream with this reason, and how many there were.
async fn resets(reason: h2::Reason) -> (SocketAddr, std::sync::Arc<std::sync::atomic::AtomicU64>) {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = socket.local_addr().expect("an address");
    let streams = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&streams);
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let counted = std::sync::Arc::clone(&counted);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                while let Some(Ok((_, mut answer))) = connection.accept().await {
                    counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    answer.send_reset(reason);
                }
            });
        }
    });
    (address, streams)
}

#[tokio::test]
async fn a_stream_that_was_refused_is_repeated_with_any_method_and_a_broken_one_is_not() {
    for (reason, post) in [
        (h2::Reason::REFUSED_STREAM, [200, 200]),
        (h2::Reason::INTERNAL_ERROR, [200, 502]),
    ] {
        let (refusing, _) = resets(reason).await;
        let good = origin().await;
        let endpoints = [refusing, good.address().expect("TCP")];
        let portcullis = Portcullis::start(&pool(&endpoints, ", protocol: http2", "")).await;
        let mut client = http1(portcullis.listener("http")).await;
        for _ in 0..2 {
            assert_eq!(client.get("/").await.status, 200, "{reason}");
            let answer = client.ask(upload("PUT", SMALL)).await;
            assert_eq!(answer.status, 200, "{reason}: {answer:?}");
        }
        let mut statuses = Vec::new();
        for _ in 0..2 {
            let mut client = http1(portcullis.listener("http")).await;
            statuses.push(client.ask(upload("POST", SMALL)).await.status.as_u16());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, post, "{reason}");
    }
}

#[tokio::test]
async fn an_upload_for_which_the_client_takes_too_long_is_not_sent_to_another_endpoint() {
    let (one, two) = (origin().await, origin().await);
    let endpoints = [&one, &two].map(|one| one.address().expect("TCP"));
    for settings in [
        "protocol: http1, retries: {limit: 2, on: [timeout], per_try_timeout: 300ms",
        "protocol: http2, timeouts: {first_byte: 300ms, read: 300ms}, retries: {limit: 2, on: [timeout]",
    ] {
        let protocol = &settings[..15];
        let settings = format!(", {settings}, {RICH}}}");
        let portcullis = Portcullis::start(&pool(&endpoints, &settings, "")).await;
        let address = portcullis.listener("http");
        let put = "PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\na";
        assert_eq!(Raw::sent(address, put).await.response().await.status, 504);
        assert_eq!(counted(&portcullis, "sent").await, 0.0, "{protocol}");
        // One that is there is, when its answer does not come.
        let put = "PUT /hang HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na";
        assert_eq!(Raw::sent(address, put).await.response().await.status, 504);
        assert_eq!(counted(&portcullis, "sent").await, 2.0, "{protocol}");
    }
}
