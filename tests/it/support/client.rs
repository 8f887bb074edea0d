//! How does a test ask as a real HTTP client does?

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ALL_VERSIONS, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::{client_config, in_time, tls};

/// A request's body.
pub type Body = BoxBody<Bytes, io::Error>;

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed()
}

/// A request without a body, to which fields can be added: `request("GET", "/echo").header("a", "b").body(full(""))`.
/// Without a `Host` field it gets the client's own.
pub fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path)
}

/// A client on one connection.
pub struct Client {
    sender: Sender,
    authority: String,
    scheme: &'static str,
}

enum Sender {
    One(conn::http1::SendRequest<Body>),
    Two(conn::http2::SendRequest<Body>),
}

/// A whole response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status code.
    pub status: StatusCode,
    /// Its version.
    pub version: Version,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Its trailer fields.
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    /// Reads a response to its end.
    ///
    /// # Errors
    ///
    /// The body was cut off.
    pub async fn read(response: Response<Incoming>) -> hyper::Result<Self> {
        let (head, body) = response.into_parts();
        let body = in_time("a response's body", body.collect()).await?;
        let trailers = body.trailers().cloned();
        let (status, version, headers) = (head.status, head.version, head.headers);
        Ok(Self {
            status,
            version,
            headers,
            body: body.to_bytes(),
            trailers,
        })
    }

    /// A field's value, if it is there once or more.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("a value in ASCII"))
    }

    /// Whether it says that it is the connection's last (HTTP/1).
    pub fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, such as `/echo` of an origin gives.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The value of a field that the origin saw (the body must be that of `/echo`).
    pub fn seen_header(&self, name: &str) -> Option<String> {
        let echo = self.json();
        let fields = echo["headers"].as_array().expect("the answer of /echo");
        let field = fields
            .iter()
            .find(|field| field[0].as_str() == Some(name))?;
        field[1].as_str().map(str::to_owned)
    }
}

impl Client {
    /// Sends a request and gives the response as soon as its header is there.
    ///
    /// # Errors
    ///
    /// The connection or the stream ended before that.
    pub async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let what = format!("the response to {} {}", request.method(), request.uri());
        in_time(&what, self.send_patiently(request)).await
    }

    /// As [`Client::send`], for a request that takes as long as the test wants.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn send_patiently(
        &mut self,
        request: Request<Body>,
    ) -> hyper::Result<Response<Incoming>> {
        let request = self.addressed(request);
        match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Sends a request and reads the whole response; panics when there is none.
    pub async fn ask(&mut self, request: Request<Body>) -> Answer {
        let response = self.send(request).await.expect("a response");
        Answer::read(response).await.expect("a whole body")
    }

    /// As [`Client::ask`], with GET.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(request("GET", path).body(full("")).expect("a request"))
            .await
    }

    /// As [`Client::ask`], with POST and a body.
    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(request("POST", path).body(full(body)).expect("a request"))
            .await
    }

    /// Waits until the connection takes no more requests.
    pub async fn closed(&mut self) {
        super::eventually("the connection is closed", async || match &self.sender {
            Sender::One(sender) => sender.is_closed(),
            Sender::Two(sender) => sender.is_closed(),
        })
        .await;
    }

    /// Puts the authority where the protocol wants it.
    fn addressed(&self, mut request: Request<Body>) -> Request<Body> {
        if request.uri().authority().is_some() {
            return request;
        }
        match &self.sender {
            Sender::One(_) => {
                if !request.headers().contains_key(HOST) {
                    let host = self.authority.parse().expect("an authority");
                    request.headers_mut().insert(HOST, host);
                }
            }
            Sender::Two(_) => {
                let host = request.headers_mut().remove(HOST);
                let host = host.as_ref().map_or(self.authority.as_str(), |host| {
                    host.to_str().expect("ASCII")
                });
                let path = request.uri().path_and_query().expect("a path").clone();
                *request.uri_mut() = Uri::builder()
                    .scheme(self.scheme)
                    .authority(host)
                    .path_and_query(path)
                    .build()
                    .expect("a URI");
            }
        }
        request
    }
}

/// A client on an open connection that speaks HTTP/2 or HTTP/1.1.
pub async fn over<S>(stream: S, http2: bool, scheme: &'static str, authority: &str) -> Client
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let io = TokioIo::new(stream);
    let sender = if http2 {
        let (sender, connection) = conn::http2::handshake(TokioExecutor::new(), io)
            .await
            .expect("HTTP/2");
        tokio::spawn(connection);
        Sender::Two(sender)
    } else {
        let (sender, connection) = conn::http1::handshake(io).await.expect("HTTP/1.1");
        tokio::spawn(connection.with_upgrades());
        Sender::One(sender)
    };
    Client {
        sender,
        authority: authority.to_owned(),
        scheme,
    }
}

/// HTTP/1.1 in the clear.
pub async fn http1(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).await.expect("connected");
    over(stream, false, "http", &address.to_string()).await
}

/// HTTP/2 in the clear, by prior knowledge.
pub async fn http2(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).await.expect("connected");
    over(stream, true, "http", &address.to_string()).await
}

/// HTTP/1.1 over TLS to `name`.
pub async fn https1(address: SocketAddr, name: &str, roots: &Arc<RootCertStore>) -> Client {
    let config = Arc::new(client_config(roots, ALL_VERSIONS, &["http/1.1"]));
    let stream = tls(address, name, &config).await.expect("a handshake");
    over(
        stream,
        false,
        "https",
        &format!("{name}:{}", address.port()),
    )
    .await
}

/// HTTP/2 over TLS to `name`; panics when it is not agreed on by ALPN.
pub async fn https2(address: SocketAddr, name: &str, roots: &Arc<RootCertStore>) -> Client {
    let config = Arc::new(client_config(roots, ALL_VERSIONS, &["h2"]));
    let stream = tls(address, name, &config).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    over(stream, true, "https", &format!("{name}:{}", address.port())).await
}

/// HTTP/1.1 over a Unix socket.
pub async fn unix1(path: &Path) -> Client {
    let stream = UnixStream::connect(path).await.expect("connected");
    over(stream, false, "http", "localhost").await
}
