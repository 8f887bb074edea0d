//! What do requests notice of endpoints that are ill, slow or gone, when their pool guards itself?

mod breaker;
mod ejection;
mod report;

use std::net::SocketAddr;

use origin::{RawAnswer, RawOrigin};

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An endpoint that says on `/healthz` that it is well, and resets the connection of every other request.
async fn liar() -> RawOrigin {
    let origin = RawOrigin::start(|head| match head.starts_with(b"GET /healthz ") {
        true => RawAnswer::new().send(OK),
        false => RawAnswer::new().reset(),
    });
    origin.await.expect("an origin")
}

/// One listener `http` and one route to a pool `p` of these endpoints, with these settings in YAML's flow style.
fn guarded(endpoints: &[SocketAddr], settings: &str) -> String {
    let endpoints: Vec<String> = endpoints
        .iter()
        .map(|address| format!("\"{address}\""))
        .collect();
    let endpoints = endpoints.join(", ");
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\nroutes: [{{name: all, pool: p}}]\n\
         pools: [{{name: p, endpoints: [{endpoints}], {settings}}}]\n"
    )
}

/// A request that is never sent again once it may have reached an endpoint, on a connection of its own.
async fn post(address: SocketAddr) -> Answer {
    http1(address).await.post("/", "").await
}

/// The value of a series of the pool, such as `ejected`, for one endpoint.
fn of_endpoint(name: &str, endpoint: SocketAddr) -> String {
    format!("portcullis_upstream_{name}{{endpoint=\"{endpoint}\",pool=\"p\"")
}

/// An endpoint that answers everything at once.
async fn origin_that_answers() -> RawOrigin {
    let origin = RawOrigin::start(|_| RawAnswer::new().send(OK));
    origin.await.expect("an origin")
}
