//! Does a compressed body go on as it comes, and does a broken one look broken?

use http_body_util::BodyExt;
use origin::Scripted;

use super::{CODINGS, accepting, compressing, decoded, page, readable};
use crate::support::*;

/// Reads pieces of a body until `is_enough` says so of what there is.
async fn read_until(
    body: &mut hyper::body::Incoming,
    coded: &mut Vec<u8>,
    is_enough: impl Fn(&[u8]) -> bool,
) {
    while !is_enough(coded) {
        let frame = in_time("a piece of the body", body.frame()).await;
        let frame = frame.expect("no end yet").expect("a piece");
        coded.extend_from_slice(&frame.into_data().expect("data"));
    }
}

#[tokio::test]
async fn each_piece_can_be_read_before_the_next_is_sent() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let yaml = compressing(&origin, "types: [text/event-stream]");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for (version, mut client) in [(1, http1(address).await), (2, http2(address).await)] {
            for coding in CODINGS {
                let name = format!("{carrier}-{version}-{coding}");
                let mut events = Scripted::new(200)
                    .field("content-type", "text/event-stream")
                    .chunked();
                for number in 0..4 {
                    events = events.body(format!("data: {number}\n\n"));
                    events = events.until(&format!("{name}-{number}"));
                }
                let path = format!("/{name}");
                origin.script(&path, [events.body("data: the end\n\n")]);
                let asked = accepting(&path, coding);
                let response = client.send(asked).await.expect("a header");
                assert_eq!(response.headers()["content-encoding"], coding);
                let mut body = response.into_body();
                let (mut coded, mut want) = (Vec::new(), String::new());
                for number in 0..4 {
                    want.push_str(&format!("data: {number}\n\n"));
                    let is_there = |coded: &[u8]| readable(coding, coded) == want.as_bytes();
                    read_until(&mut body, &mut coded, is_there).await;
                    // Only now does the origin go on.
                    origin.release_one(&format!("{name}-{number}"));
                }
                want.push_str("data: the end\n\n");
                let rest = in_time("the end", body.collect()).await.expect("an end");
                coded.extend_from_slice(&rest.to_bytes());
                assert_eq!(decoded(coding, &coded).expect("whole"), want.as_bytes());
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_of_known_length_does_not_wait_either() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let answer = Scripted::new(200).field("content-type", "text/html");
        let answer = answer
            .body("the head of the page")
            .until("the rest")
            .body(page());
        origin.script("/", [answer]);
        let yaml = compressing(&origin, "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let mut client = http1(portcullis.listener("http")).await;
        let response = client.send(accepting("/", "br")).await.expect("a header");
        let mut body = response.into_body();
        let mut coded = Vec::new();
        let is_there = |coded: &[u8]| readable("br", coded) == b"the head of the page";
        read_until(&mut body, &mut coded, is_there).await;
        origin.release_one("the rest");
        let rest = in_time("the end", body.collect()).await.expect("an end");
        coded.extend_from_slice(&rest.to_bytes());
        let whole = decoded("br", &coded).expect("whole");
        assert_eq!(whole.len(), page().len() + 20);
    })
    .await;
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_whole() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let start = || {
            let answer = Scripted::new(200).field("content-type", "text/html");
            answer.body(page()).break_off()
        };
        origin.script("/length", [start()]);
        origin.script("/chunked", [start().chunked()]);
        let yaml = compressing(&origin, "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for coding in CODINGS {
            for path in ["/length", "/chunked"] {
                for mut client in [http1(address).await, http2(address).await] {
                    let asked = accepting(path, coding);
                    let response = client.send(asked).await.expect("a header");
                    assert_eq!(response.headers()["content-encoding"], coding);
                    let mut body = response.into_body();
                    let mut coded = Vec::new();
                    // The framing says that it is not whole …
                    loop {
                        match in_time("the break", body.frame()).await {
                            Some(Ok(frame)) => {
                                coded.extend_from_slice(&frame.into_data().expect("data"));
                            }
                            Some(Err(_)) => break,
                            None => panic!("{path} {coding} looks whole"),
                        }
                    }
                    // … and so does the coding.
                    assert!(decoded(coding, &coded).is_err(), "{path} {coding}");
                }
            }
        }
        let broken = |line: &serde_json::Value| line["reason"] == "upstream_incomplete";
        portcullis.logged(broken).await;
    })
    .await;
}

#[tokio::test]
async fn a_large_body_reads_back_and_takes_no_memory_of_its_size() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let large: Vec<u8> = (0..200_000_u32)
            .flat_map(|number| {
                format!("{number} {:x}\n", number.wrapping_mul(2_654_435_761)).into_bytes()
            })
            .collect();
        let answer = Scripted::new(200).field("content-type", "text/plain");
        origin.script("/", [answer.body(large.clone())]);
        let yaml = compressing(&origin, "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        for mut client in [http1(address).await, http2(address).await] {
            for coding in CODINGS {
                let answer = client.ask(accepting("/", coding)).await;
                assert!(answer.body.len() < large.len());
                let whole = decoded(coding, &answer.body).expect("whole");
                assert!(whole == large, "{coding}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn where_encoders_have_all_their_memory_an_answer_goes_out_as_it_is() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let answer = Scripted::new(200)
            .field("content-type", "text/plain")
            .chunked();
        origin.script(
            "/held",
            [answer.body("it begins").until("the end").body(page())],
        );
        let small = Scripted::new(200).field("content-type", "text/plain");
        origin.script("/other", [small.body(page())]);
        // Room for one encoder of gzip, and not for two.
        let yaml = format!(
            "overload: {{compression: 400KiB}}\n{}",
            compressing(&origin, "")
        );
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let mut first = http1(address).await;
        let held = first
            .send(accepting("/held", "gzip"))
            .await
            .expect("a header");
        assert_eq!(held.headers()["content-encoding"], "gzip");
        let mut second = http1(address).await;
        let answer = second.ask(accepting("/other", "gzip")).await;
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        assert_eq!(answer.body, page());
        let series = "portcullis_compression_without_room_total{route=\"all\"}";
        assert_eq!(portcullis.metric(series).await, 1.0);
        origin.release_one("the end");
        let rest = in_time("the end", held.into_body().collect()).await;
        let whole = decoded("gzip", &rest.expect("an end").to_bytes()).expect("whole");
        assert_eq!(whole.len(), page().len() + 9);
        eventually("there is room again", async || {
            let answer = second.ask(accepting("/other", "gzip")).await;
            answer.header("content-encoding") == Some("gzip")
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_gives_the_encoders_memory_back() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let answer = Scripted::new(200)
            .field("content-type", "text/plain")
            .chunked();
        origin.script("/held", [answer.body("it begins").until("the end")]);
        let yaml = compressing(&origin, "");
        let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
        let memory = async || {
            portcullis
                .metric("portcullis_compression_memory_bytes")
                .await
        };
        for coding in CODINGS {
            let mut client = http1(portcullis.listener("http")).await;
            let response = client
                .send(accepting("/held", coding))
                .await
                .expect("a header");
            assert!(memory().await > 0.0);
            drop((response, client));
            eventually("the memory is given back", async || memory().await == 0.0).await;
        }
    })
    .await;
}
