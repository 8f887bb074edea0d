//! Does another configuration take over without anyone noticing, and does a mistake change nothing?

mod admin;
mod all_or_nothing;
mod answers;
mod connections;
mod load;
mod logs;
mod memory;
mod metrics;
mod moves;
mod protocols;
mod removal;
mod together;
mod transfers;
mod watching;

use std::net::SocketAddr;

use crate::support::*;

/// A listener `http` in the clear, on a port that it keeps over all reloads.
const HTTP: &str = "{name: http, address: \"127.0.0.1:0\"}";

/// A configuration with these listeners, routes and pools, each in YAML's flow style and on a line of its own.
fn config(listeners: &[&str], routes: &[&str], pools: &[&str]) -> String {
    let section = |name: &str, items: &[&str]| {
        let items: String = items.iter().map(|item| format!("- {item}\n")).collect();
        format!("{name}:\n{items}")
    };
    let sections = [
        ("listeners", listeners),
        ("routes", routes),
        ("pools", pools),
    ];
    let given = sections.iter().filter(|(_, items)| !items.is_empty());
    given.map(|(name, items)| section(name, items)).collect()
}

/// A route that answers every request with this text, on these listeners (none: on all).
fn says(text: &str, listeners: &[&str]) -> String {
    let listeners = listeners.join(", ");
    format!("{{name: {text}, listeners: [{listeners}], respond: {{body: {text}}}}}")
}

/// A pool with one endpoint.
fn pool(name: &str, endpoint: Option<SocketAddr>) -> String {
    let endpoint = endpoint.expect("an origin on TCP");
    format!("{{name: {name}, endpoints: [\"{endpoint}\"]}}")
}

/// A route that brings every request to this pool.
fn to(pool: &str) -> String {
    format!("{{name: to-{pool}, pool: {pool}}}")
}

/// What a new connection gets for `/`.
async fn text(address: SocketAddr) -> String {
    http1(address).await.get("/").await.text()
}

/// Whether nobody listens there.
async fn is_refused(address: SocketAddr) -> bool {
    tokio::net::TcpStream::connect(address).await.is_err()
}

/// POST without a body to the admin listener, with these field lines.
async fn post(admin: SocketAddr, path: &str, fields: &str) -> RawResponse {
    let asked = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{fields}\r\n");
    Raw::sent(admin, asked).await.response().await
}
