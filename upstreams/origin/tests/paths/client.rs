//! How do the tests talk to an origin?

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use origin::Origin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything that is expected to happen takes, even on a busy machine.
pub const SOON: Duration = Duration::from_secs(5);

/// Long enough to see that nothing happens.
pub const A_MOMENT: Duration = Duration::from_millis(50);

/// An origin called `a` on a free port.
pub async fn origin() -> (Origin, SocketAddr) {
    let origin = Origin::builder().name("a").start().await.expect("started");
    let address = origin.address().expect("a TCP address");
    (origin, address)
}

pub struct Reply {
    pub status: StatusCode,
    pub fields: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn field(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }
}

pub type Sender1 = http1::SendRequest<Full<Bytes>>;
pub type Sender2 = http2::SendRequest<Full<Bytes>>;

pub async fn http1(address: SocketAddr) -> Sender1 {
    let stream = TcpStream::connect(address).await.expect("connected");
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/1");
    tokio::spawn(connection);
    sender
}

pub async fn http2(address: SocketAddr) -> Sender2 {
    let stream = TcpStream::connect(address).await.expect("connected");
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

pub fn request(method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("http://origin.test{path}"))
        .header("host", "origin.test")
        .body(Full::new(body.into()))
        .expect("a request")
}

pub async fn collect(response: Response<Incoming>) -> Result<Reply, hyper::Error> {
    let (head, body) = response.into_parts();
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Ok(Reply {
        status: head.status,
        fields: head.headers,
        body: collected.to_bytes(),
        trailers,
    })
}

/// One GET over HTTP/1.1.
pub async fn get(address: SocketAddr, path: &str) -> Reply {
    let mut sender = http1(address).await;
    let response = sender.send_request(request("GET", path, "")).await;
    collect(response.expect("a response"))
        .await
        .expect("a complete body")
}

/// One request over HTTP/2.
pub async fn ask2(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> Reply {
    let mut sender = http2(address).await;
    let body = Bytes::copy_from_slice(body);
    let response = sender.send_request(request(method, path, body)).await;
    collect(response.expect("a response"))
        .await
        .expect("a complete body")
}

/// A connection on which `bytes` have been sent.
pub async fn send_raw(address: SocketAddr, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(bytes.as_bytes()).await.expect("sent");
    stream
}

/// Everything that comes back for `bytes` until the origin closes.
pub async fn exchange(address: SocketAddr, bytes: &str) -> Vec<u8> {
    let mut stream = send_raw(address, bytes).await;
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer))
        .await
        .expect("closed soon")
        .expect("closed, not reset");
    answer
}

/// Reads until what came back ends with `end`.
pub async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        let read = tokio::time::timeout(SOON, stream.read_buf(&mut seen)).await;
        assert_ne!(read.expect("soon").expect("read"), 0, "closed early");
    }
    String::from_utf8(seen).expect("text")
}
