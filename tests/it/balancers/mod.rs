//! Does the endpoint that is best at the moment get the request?

mod backup;
mod latency;
mod slow_start;

use std::net::SocketAddr;
use std::time::Instant;

use origin::Origin;

use crate::support::*;

/// An origin that says this name.
async fn named(name: &str) -> Origin {
    Origin::builder()
        .name(name)
        .start()
        .await
        .expect("an origin")
}

fn address(origin: &Origin) -> SocketAddr {
    origin.address().expect("an origin on TCP")
}

/// Endpoints as a list in YAML.
fn list(origins: &[&Origin]) -> String {
    let addresses: Vec<String> = origins
        .iter()
        .map(|origin| format!("\"{}\"", address(origin)))
        .collect();
    format!("[{}]", addresses.join(", "))
}

/// Who answers the next request.
async fn answers(client: &mut Client, path: &str) -> String {
    let answer = client.get(path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("x-origin").expect("a name").to_owned()
}

/// A request that was answered.
struct Answered {
    path: &'static str,
    by: String,
    asked: Instant,
    answered: Instant,
}
