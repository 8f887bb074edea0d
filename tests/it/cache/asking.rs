//! What do tests of the cache have in front of them, and how do they ask?

use origin::{Origin, Scripted};

use crate::support::*;

/// Clocks that differ by a year do no harm to this one.
pub const LONG_AGO: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
/// A second later.
pub const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

/// Portcullis with a cache on its one route, with these settings of it in YAML's flow style, and a connection to it.
pub async fn caching(origin: &Origin, settings: &str) -> (Portcullis, Raw) {
    let endpoint = origin.address().expect("an origin on TCP");
    let portcullis = Portcullis::start(&format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes: [{{name: all, pool: origin, cache: {{{settings}}}}}]\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n"
    ))
    .await;
    let raw = Raw::connect(portcullis.listener("http")).await;
    (portcullis, raw)
}

/// An answer that is fresh for an hour.
pub fn fresh() -> Scripted {
    Scripted::new(200).field("Cache-Control", "max-age=3600")
}

/// Sends a request for `a.test`, such as `GET /path`, with these lines in its head, and reads the answer.
pub async fn ask(raw: &mut Raw, request: &str, lines: &[&str]) -> RawResponse {
    let mut head = format!("{request} HTTP/1.1\r\nHost: a.test\r\n");
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    raw.send(head).await;
    if request.starts_with("HEAD ") {
        raw.response_to_head().await
    } else {
        raw.response().await
    }
}

/// What the answer says of the cache's part in it.
pub fn cache_status(answer: &RawResponse) -> &str {
    answer.header("cache-status").unwrap_or("nothing")
}

/// Asks until the answer is a hit, so that what follows is about an object that is stored; gives that answer.
pub async fn stored(raw: &mut Raw, path: &str, lines: &[&str]) -> RawResponse {
    let mut hit = None;
    eventually(&format!("{path} is stored"), async || {
        let answer = ask(raw, &format!("GET {path}"), lines).await;
        let is_hit = cache_status(&answer).contains("; hit");
        hit = Some(answer);
        is_hit
    })
    .await;
    hit.expect("an answer")
}
