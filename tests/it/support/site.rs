//! What do most tests have in front of Portcullis and behind it?

use std::fmt;
use std::net::SocketAddr;

use origin::Origin;

use super::PATIENCE;

/// An app server on a port of its own.
pub async fn origin() -> Origin {
    Origin::builder().start().await.expect("an origin")
}

/// Three app servers, called a, b and c.
pub async fn three_origins() -> Vec<Origin> {
    let mut origins = Vec::new();
    for name in ["a", "b", "c"] {
        let origin = Origin::builder().name(name).start().await;
        origins.push(origin.expect("an origin"));
    }
    origins
}

/// Waits until so many requests are at the origin at once.
pub async fn arrived(origin: &Origin, count: u64) {
    let arrived = origin
        .journal()
        .becomes(PATIENCE, |journal| journal.in_flight() == count);
    assert!(arrived.await, "{count} requests at the origin");
}

/// One plain listener `http` with these settings (in YAML's flow style, such as `limits: {uri: 1KiB}`; empty for none),
/// and one route `all` to one pool `origin` with this endpoint.
pub fn site(listener: &str, endpoint: Option<SocketAddr>) -> String {
    let endpoint = endpoint.expect("an origin on TCP");
    let comma = if listener.is_empty() { "" } else { ", " };
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"{comma}{listener}}}]\n\
         routes: [{{name: all, pool: origin}}]\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n"
    )
}

/// Who moves the bytes (`runtime.carrier`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The direct exchange; it refuses request bodies, upgrades and HTTP/2 endpoints with 500.
    Direct,
    /// pingora-proxy's duplex.
    Duplex,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Carrier::Direct => "direct",
            Carrier::Duplex => "duplex",
        })
    }
}

/// Runs a test through one carrier after the other; which one it was stands in a failing test's output.
pub async fn both_carriers(test: impl AsyncFn(Carrier)) {
    for carrier in [Carrier::Direct, Carrier::Duplex] {
        eprintln!("through the {carrier} carrier:");
        test(carrier).await;
    }
}
