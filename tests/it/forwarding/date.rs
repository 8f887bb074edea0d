//! Does an answer keep the date that its endpoint made it at (RFC 9110 §6.6.1)?

use std::sync::Arc;

use crate::support::*;
use origin::{RawAnswer, RawOrigin};

use super::trusting;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// An endpoint whose answers have these fields.
async fn endpoint(fields: &str) -> RawOrigin {
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok");
    let origin = RawOrigin::start(move |_| RawAnswer::new().send(answer.clone()));
    origin.await.expect("an origin")
}

/// Whether that is a date of this century in the form that is to be sent.
fn is_now(date: &str) -> bool {
    date.len() == DATE.len() && date.contains(" 20") && date.ends_with(" GMT")
}

#[tokio::test]
async fn rfc9110_6_6_1_the_date_of_an_answer_is_passed_on_over_http1() {
    both_carriers(async |carrier| {
        // Where it stands does not matter, nor how long the header is: longer than what is gathered before it is sent.
        let long = format!("x-long: {}\r\n", "a".repeat(20_000));
        for fields in [
            format!("Date: {DATE}\r\nlast-modified: Sat, 05 Nov 1994 08:49:37 GMT\r\n"),
            format!("{long}date: {DATE}\r\n"),
        ] {
            let origin = endpoint(&fields).await;
            let yaml = trusting(Some(origin.address()), "", "");
            let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
            let mut client = http1(portcullis.listener("http")).await;
            for path in ["/a", "/b"] {
                let answer = client.get(path).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.text().as_str()),
                    (200, "ok")
                );
                let dates: Vec<_> = answer.headers.get_all("date").iter().collect();
                assert_eq!(dates, [DATE], "{carrier:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn rfc9110_6_6_1_an_answer_without_a_date_that_can_be_read_gets_one() {
    both_carriers(async |carrier| {
        for fields in ["", "date: 0\r\n", "date: Sun, 06 Nov 1994 08:49:61 GMT\r\n"] {
            let origin = endpoint(fields).await;
            let yaml = trusting(Some(origin.address()), "", "");
            let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
            let mut client = http1(portcullis.listener("http")).await;
            let answer = client.get("/").await;
            let dates: Vec<_> = answer.headers.get_all("date").iter().collect();
            assert_eq!(dates.len(), 1, "{fields}");
            assert!(is_now(answer.header("date").expect("one")), "{dates:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn rfc9110_5_6_7_a_date_in_an_old_form_is_passed_on_in_the_one_that_is_to_be_sent() {
    both_carriers(async |carrier| {
        for old in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            let origin = endpoint(&format!("date: {old}\r\n")).await;
            let yaml = trusting(Some(origin.address()), "", "");
            let portcullis = Portcullis::builder(&yaml).carrier(carrier).start().await;
            let mut client = http1(portcullis.listener("http")).await;
            assert_eq!(client.get("/").await.header("date"), Some(DATE), "{old}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_over_tls_keeps_its_date_and_the_next_one_of_the_connection_has_its_own() {
    let authority = Authority::new();
    let identity = authority.issue(&["a.test"]);
    let origin = RawOrigin::start(|head| {
        let date = match head.starts_with(b"GET /dated") {
            true => format!("date: {DATE}\r\n"),
            false => String::new(),
        };
        let answer = format!("HTTP/1.1 200 OK\r\n{date}content-length: 2\r\n\r\nok");
        RawAnswer::new().send(answer)
    });
    let origin = origin.await.expect("an origin");
    let yaml = format!(
        "listeners: [{{name: https, address: '127.0.0.1:0', tls: {{certificates: [{{certificate: a.crt, key: a.key}}]}}}}]
routes:
  - {{name: own, match: {{paths: [{{prefix: /own}}]}}, respond: {{status: 200, body: own}}}}
  - {{name: all, pool: p}}
pools: [{{name: p, endpoints: ['{}']}}]
",
        origin.address()
    );
    let portcullis = Portcullis::builder(&yaml).identity("a", &identity);
    let portcullis = portcullis.start().await;
    let roots = authority.roots();
    let mut client = https1(portcullis.listener("https"), "a.test", &roots).await;
    for path in ["/dated", "/other", "/dated", "/own"] {
        let answer = client.get(path).await;
        let date = answer.header("date").expect("one").to_owned();
        match path {
            "/dated" => assert_eq!(date, DATE),
            _ => assert!(is_now(&date), "{path}: {date}"),
        }
    }
    // Over HTTP/2 it is Pingora that says when, and only it.
    let mut client = https2(portcullis.listener("https"), "a.test", &Arc::clone(&roots)).await;
    let answer = client.get("/dated").await;
    assert_eq!(answer.headers.get_all("date").iter().count(), 1);
}
