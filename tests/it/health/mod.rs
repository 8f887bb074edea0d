//! Does nobody ask an endpoint that is not well, and does it come back when it is?

mod asking;
mod kinds;
mod many;
mod memory;
mod orders;
mod patient;
mod traffic;

use std::net::SocketAddr;

use crate::support::*;
use patient::Patient;

/// A plain listener, and one pool `p` with these endpoints and these checks (in YAML's flow style).
fn checked(endpoints: &[SocketAddr], health: &str) -> String {
    with_pool(endpoints, &format!("health: {{{health}}}"))
}

/// The same, with any settings of the pool.
fn with_pool(endpoints: &[SocketAddr], settings: &str) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|one| format!("\"{one}\"")).collect();
    let endpoints = endpoints.join(", ");
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes: [{{name: all, pool: p}}]\n\
         pools: [{{name: p, endpoints: [{endpoints}], {settings}}}]\n"
    )
}

/// What the metric says about an endpoint: 1 for healthy.
async fn is_healthy(portcullis: &Portcullis, endpoint: SocketAddr) -> bool {
    let series = format!("portcullis_upstream_healthy{{endpoint=\"{endpoint}\",");
    portcullis.metric(&series).await == 1.0
}

/// How many of its checks had this result.
async fn checks(portcullis: &Portcullis, endpoint: SocketAddr, result: &str) -> f64 {
    let series = format!(
        "portcullis_upstream_checks_total{{endpoint=\"{endpoint}\",pool=\"p\",result=\"{result}\"}}"
    );
    portcullis.metric(&series).await
}

/// Waits until the checks have said so about an endpoint.
async fn becomes(portcullis: &Portcullis, endpoint: SocketAddr, healthy: bool) {
    let what = format!("{endpoint} is healthy: {healthy}");
    eventually(&what, async || {
        is_healthy(portcullis, endpoint).await == healthy
    })
    .await;
}

/// Waits for so many more checks of an endpoint, whatever comes of them.
async fn checked_again(portcullis: &Portcullis, endpoint: SocketAddr, count: f64) {
    let all = format!("portcullis_upstream_checks_total{{endpoint=\"{endpoint}\",");
    let before = portcullis.metric(&all).await;
    eventually("more checks", async || {
        portcullis.metric(&all).await >= before + count
    })
    .await;
}

/// Who answers so many requests, one after the other: names, or status codes of what Portcullis says itself.
async fn answers(portcullis: &Portcullis, count: usize) -> Vec<String> {
    let mut client = http1(portcullis.listener("http")).await;
    let mut names = Vec::new();
    for _ in 0..count {
        let answer = client.get("/").await;
        names.push(match answer.status.as_u16() {
            200 => answer.text(),
            status => {
                // It may be the connection's last.
                client = http1(portcullis.listener("http")).await;
                status.to_string()
            }
        });
    }
    names
}
