//! Does a response that breaks off look broken to the client?

use origin::{RawAnswer, RawOrigin};

use crate::support::*;

#[tokio::test]
async fn a_body_that_the_endpoint_breaks_off_is_visibly_broken_for_the_client() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let address = portcullis.listener("http");
        for path in [
            "/close-mid/10",
            "/close-mid/300k",
            "/close-mid-chunked/10",
            "/close-mid-chunked/300k",
        ] {
            for mut client in [http1(address).await, http2(address).await] {
                let asked = request("GET", path).body(full("")).expect("a request");
                // Where all of it came at once, the header need not have been passed on.
                let Ok(response) = client.send(asked).await else {
                    continue;
                };
                assert_eq!(response.status(), 200);
                assert!(
                    Answer::read(response).await.is_err(),
                    "{path}: the body looks whole"
                );
            }
            let line = portcullis.logged(|line| line["target"] == path).await;
            assert_eq!(
                (&line["reason"], &line["phase"]),
                (&"upstream_incomplete".into(), &"body".into()),
                "{line}"
            );
        }
        // Byte for byte: the last chunk is missing, or the length is not reached.
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let bytes = Raw::sent(address, get("/close-mid-chunked/300k"))
            .await
            .rest()
            .await;
        assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert!(
            !bytes.ends_with(b"0\r\n\r\n"),
            "it ends as a whole body does"
        );
        let bytes = Raw::sent(address, get("/close-mid/300k"))
            .await
            .rest()
            .await;
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
        assert!(
            head.contains("content-length: 614400\r\n") && bytes.len() < 614_400,
            "{head}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_broken_chunk_is_a_broken_body() {
    both_carriers(async |carrier| {
        for chunks in [
            "3\r\nabc\r\nxyz\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "-1\r\n",
            "fffffffffffffffff\r\nabc\r\n",
        ] {
            let origin = RawOrigin::start(move |_| {
                let header = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n.\r\n";
                RawAnswer::new().send(format!("{header}{chunks}")).close()
            });
            let origin = origin.await.expect("an origin");
            let portcullis = Portcullis::builder(&site("", Some(origin.address())))
                .carrier(carrier)
                .start()
                .await;
            let address = portcullis.listener("http");
            for mut client in [http1(address).await, http2(address).await] {
                let asked = request("GET", "/").body(full("")).expect("a request");
                // When all of it came at once the header need not have been passed on yet.
                let Ok(response) = client.send(asked).await else {
                    continue;
                };
                let status = response.status();
                let read = Answer::read(response).await;
                assert!(read.is_err() || status == 502, "{chunks:?}: {read:?}");
            }
            let line = portcullis.logged(|_| true).await;
            assert!(
                line["reason"]
                    .as_str()
                    .is_some_and(|reason| reason.starts_with("upstream_")),
                "{line}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn bytes_behind_a_response_are_not_taken_for_the_next_one() {
    both_carriers(async |carrier| {
        let origin = RawOrigin::start(|head| {
            let extra = if head.starts_with(b"GET /first") {
                "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
            } else {
                ""
            };
            RawAnswer::new().send(format!(
                "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood{extra}"
            ))
        });
        let origin = origin.await.expect("an origin");
        let portcullis = Portcullis::builder(&site("", Some(origin.address())))
            .carrier(carrier)
            .start()
            .await;
        let mut client = http1(portcullis.listener("http")).await;
        for path in ["/first", "/second", "/first", "/third"] {
            assert_eq!(client.get(path).await.text(), "good", "{path}");
        }
    })
    .await;
}
