//! What happens to requests that are more than a pool may serve at once?

mod bound;
mod leaving;
mod order;
mod refusals;

use std::net::SocketAddr;

use http::StatusCode;
use origin::Origin;
use tokio::task::JoinHandle;

use crate::support::*;

/// One listener, and one pool `app` with these limits (in YAML's flow style). The priority of a request is what its field
/// `X-Priority` says, else low; at the host `vip.test` it is high.
fn limited(origin: &Origin, limits: &str) -> String {
    let endpoint = origin.address().expect("an origin on TCP");
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes:\n\
         - {{name: all, pool: app, priority: {{header: X-Priority, default: low}}}}\n\
         - {{name: vip, match: {{hosts: [vip.test]}}, pool: app, priority: high}}\n\
         - {{name: hurry, match: {{paths: [{{prefix: /hurry}}]}}, pool: app, timeouts: {{total: 50ms}}}}\n\
         pools: [{{name: app, endpoints: [\"{endpoint}\"], limits: {limits}}}]\n"
    )
}

/// A request on a connection of its own, under way.
type Asking = JoinHandle<Answer>;

fn ask(address: SocketAddr, path: &str) -> Asking {
    ask_with(address, path, &[])
}

fn ask_with(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Asking {
    let mut request = request("GET", path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(full("")).expect("a request");
    tokio::spawn(async move { http1(address).await.ask(request).await })
}

async fn answered(asking: Asking) -> Answer {
    in_time("an answer", asking).await.expect("no panic")
}

async fn succeeds(asking: Asking) {
    let answer = answered(asking).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

const LENGTH: &str = "portcullis_pool_queue_length{pool=\"app\"}";

/// Waits until so many requests wait.
async fn waiting(portcullis: &Portcullis, count: u64) {
    eventually(&format!("{count} requests wait"), async || {
        portcullis.metric(LENGTH).await == count as f64
    })
    .await;
}

fn reason(answer: &Answer) -> &str {
    let text = std::str::from_utf8(&answer.body).expect("text");
    text.lines().nth(1).unwrap_or_default()
}
