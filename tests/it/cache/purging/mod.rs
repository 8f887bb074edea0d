//! Does a purge end the use of what it names, at once, and of nothing else?

mod afterwards;
mod named;
mod orders;
mod report;

use std::net::SocketAddr;

use origin::{Origin, Scripted};
use serde_json::Value;

use crate::support::*;

/// A site with two routes: `/plain` has no cache, everything else has one with these settings.
fn yaml(origin: &Origin, cache: &str) -> String {
    let endpoint = origin.address().expect("TCP");
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes:\n\
         - {{name: plain, match: {{paths: [{{prefix: /plain}}]}}, pool: origin}}\n\
         - {{name: all, pool: origin, cache: {{{cache}}}}}\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n"
    )
}

/// What every answer says of itself, and which one it is.
fn numbered(number: usize) -> Scripted {
    Scripted::new(200)
        .field("cache-control", "max-age=600")
        .field("etag", format!("\"{number}\""))
        .body(format!("answer {number}"))
}

async fn started(cache: &str) -> (Origin, Portcullis) {
    let origin = origin().await;
    origin.script_by("*", |_, number| numbered(number));
    let portcullis = Portcullis::start(&yaml(&origin, cache)).await;
    (origin, portcullis)
}

/// Asks for a page of `a.example`; the answer's body, and what the cache said.
async fn get(client: &mut Client, path: &str) -> (String, String) {
    let (body, said, _) = get_with(client, path, &[]).await;
    (body, said)
}

async fn get_with(
    client: &mut Client,
    path: &str,
    fields: &[(&str, &str)],
) -> (String, String, http::StatusCode) {
    let mut asked = request("GET", path).header("host", "a.example");
    for (name, value) in fields {
        asked = asked.header(*name, *value);
    }
    let answer = client.ask(asked.body(full("")).expect("a request")).await;
    let said = answer.header("cache-status").unwrap_or_default().to_owned();
    (answer.text(), said, answer.status)
}

/// Asks for a page until it is stored.
async fn stored(client: &mut Client, path: &str) -> String {
    eventually_some("it is stored", async || {
        let (body, said) = get(client, path).await;
        said.contains("; hit").then_some(body)
    })
    .await
}

/// Whether a page is in the cache; asks nobody else.
async fn is_there(client: &mut Client, path: &str) -> bool {
    let only = [("cache-control", "only-if-cached")];
    let (_, _, status) = get_with(client, path, &only).await;
    status != 504
}

/// The pages of these that are in the cache.
async fn left<'p>(client: &mut Client, pages: &[&'p str]) -> Vec<&'p str> {
    let mut left = Vec::new();
    for page in pages {
        if is_there(client, page).await {
            left.push(*page);
        }
    }
    left
}

async fn post(at: SocketAddr, target: &str, body: &str) -> Answer {
    http1(at).await.post(target, body.to_owned()).await
}

/// Orders a purge at the admin listener; what it says.
async fn purge(portcullis: &Portcullis, order: Value) -> Value {
    let answer = post(portcullis.admin(), "/cache/purge", &order.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}
