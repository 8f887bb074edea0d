//! How many connections may there be, from whom, and what does one cost that is refused?

mod clients;
mod cost;
mod descriptors;
mod limits;
mod streams;

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

use crate::support::*;

/// A connection to `address` from another address of this machine. One that is refused may be reset before this returns.
async fn connect_from(client: &str, address: SocketAddr) -> io::Result<TcpStream> {
    let client: IpAddr = client.parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(client, 0)).expect("bound");
    socket.connect(address).await
}

/// Whether a request on this connection is answered; otherwise it was closed without a word.
async fn is_served(stream: io::Result<TcpStream>) -> Option<Raw> {
    is_served_behind("", stream).await
}

/// The same for a connection that begins with a PROXY header.
async fn is_served_behind(header: &str, stream: io::Result<TcpStream>) -> Option<Raw> {
    let mut raw = Raw::over(stream.ok()?);
    let request = format!("{header}GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let _ = raw.try_send(request).await;
    let first = raw.exactly_or_end(9).await?;
    assert_eq!(first, b"HTTP/1.1 ");
    let rest = raw.until(b"\r\n\r\n").await;
    let rest = String::from_utf8(rest).expect("text");
    let length = rest.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    raw.exactly(length.expect("a length")).await;
    Some(raw)
}

/// Waits until so many connections are open.
async fn open(portcullis: &Portcullis, listener: &str, count: u64) {
    let series = format!("portcullis_connections{{listener=\"{listener}\"}}");
    eventually(&format!("{count} connections are open"), async || {
        portcullis.metric(&series).await == count as f64
    })
    .await;
}

async fn refused(portcullis: &Portcullis, listener: &str, reason: &str) -> f64 {
    let labels = format!("listener=\"{listener}\",reason=\"{reason}\"");
    portcullis
        .metric(&format!("portcullis_connections_refused_total{{{labels}}}"))
        .await
}
