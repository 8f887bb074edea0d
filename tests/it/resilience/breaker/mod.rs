//! Does the breaker keep requests from an endpoint that fails, and let them back when it has recovered?

mod counted;
mod refused;
mod trials;
mod whole_pool;

use super::*;

const STATE_CLOSED: f64 = 0.0;
const STATE_HALF_OPEN: f64 = 1.0;
const STATE_OPEN: f64 = 2.0;

/// A client that asks for what the origin holds; it gets the status when that is over.
fn holds(address: SocketAddr) -> tokio::task::JoinHandle<u16> {
    tokio::spawn(async move {
        let asked = request("GET", "/held").body(full("")).expect("a request");
        let answer = http1(address).await.ask(asked).await;
        answer.status.as_u16()
    })
}

/// The answer to a request that the carrier takes, on a connection of its own.
async fn ask(address: SocketAddr, carrier: Carrier, path: &str) -> Answer {
    let mut client = http1(address).await;
    match carrier {
        Carrier::Direct => client.get(path).await,
        Carrier::Duplex => client.post(path, "body").await,
    }
}
