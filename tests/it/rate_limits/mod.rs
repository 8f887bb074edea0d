//! Does a limit let through what it says, and nothing beyond it?

mod answers;
mod floods;
mod keys;
mod neighbours;
mod places;
mod reloads;
mod shared;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use origin::Origin;
use tokio::net::TcpSocket;

use crate::support::*;

/// A listener `http`, a route `all` and a pool `origin`, each with these limits (in YAML's flow style, empty for none).
fn limited(origin: &Origin, listener: &str, route: &str, pool: &str) -> String {
    let endpoint = origin.address().expect("an origin on TCP");
    format!(
        "forwarding: {{trusted_proxies: [127.0.0.1]}}\n\
         listeners: [{{name: http, address: '127.0.0.1:0', rate_limits: [{listener}]}}]\n\
         routes:\n\
         - {{name: own, match: {{paths: [{{prefix: /own}}]}}, rate_limits: [{route}], respond: {{}}}}\n\
         - {{name: all, rate_limits: [{route}], pool: origin}}\n\
         pools: [{{name: origin, endpoints: ['{endpoint}'], rate_limits: [{pool}]}}]\n"
    )
}

/// A client on HTTP/1.1 at 127.0.0.`host`.
async fn client_at(host: u8, address: SocketAddr) -> Client {
    let own = IpAddr::V4(Ipv4Addr::new(127, 0, 0, host));
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(own, 0)).expect("an address");
    let stream = socket.connect(address).await.expect("connected");
    over(stream, false, "http", &address.to_string()).await
}

/// The status of a GET with these fields.
async fn status(client: &mut Client, path: &str, fields: &[(&str, &str)]) -> u16 {
    let mut asked = request("GET", path);
    for (name, value) in fields {
        asked = asked.header(*name, *value);
    }
    let asked = asked.body(full("")).expect("a request");
    client.ask(asked).await.status.as_u16()
}

/// How often a limit had this result.
async fn counted(portcullis: &Portcullis, scope: &str, limit: &str, result: &str) -> f64 {
    let metrics = Raw::connect(portcullis.admin()).await.get("/metrics").await;
    let wanted = [
        format!("scope=\"{scope}\""),
        format!("limit=\"{limit}\""),
        format!("result=\"{result}\""),
    ];
    let text = metrics.text();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("portcullis_rate_limit_total{"))
        .filter(|line| wanted.iter().all(|label| line.contains(label.as_str())));
    lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}
