//! When is an attempt that failed made again, and when must it not be?

mod attempts;
mod bodies;
mod budget;
mod goaway;
mod hedging;
mod limits;
mod stale;
mod told;

use std::net::SocketAddr;

use origin::{RawAnswer, RawOrigin};

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const UNAVAILABLE: &str =
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\nx-from: origin\r\n\r\nbusy";

/// A site with one pool `p` of these endpoints, these settings of the pool and these of its route (in YAML's flow style).
fn pool(endpoints: &[SocketAddr], pool: &str, route: &str) -> String {
    let endpoints: Vec<String> = endpoints.iter().map(|one| format!("'{one}'")).collect();
    format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: all, pool: p{route}}}]\n\
         pools: [{{name: p, endpoints: [{}]{pool}}}]\n",
        endpoints.join(", ")
    )
}

/// A budget that never matters.
const RICH: &str = "budget: {min_per_second: 1000}";

/// An address where nobody listens, as long as the socket is held.
fn nobody() -> (SocketAddr, socket2::Socket) {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("a port");
    let address = socket.local_addr().expect("bound").as_socket();
    (address.expect("TCP"), socket)
}

/// An endpoint that does the same with every request.
async fn always(answer: RawAnswer) -> RawOrigin {
    let origin = RawOrigin::start(move |_| answer.clone()).await;
    origin.expect("an origin")
}

/// What is counted of retries with this result.
async fn counted(portcullis: &Portcullis, result: &str) -> f64 {
    let series = format!("portcullis_upstream_retries_total{{pool=\"p\",result=\"{result}\"}}");
    portcullis.metric(&series).await
}
