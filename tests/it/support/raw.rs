//! How does a test send exact bytes, legal HTTP/1 or not, and read what comes back?

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::in_time;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A client's end of a connection.
pub struct Raw {
    stream: Box<dyn Duplex>,
    pending: BytesMut,
}

/// A response as it was read.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// The status code.
    pub status: u16,
    /// Names as they were sent, and values.
    pub headers: Vec<(String, String)>,
    /// The body, chunks taken apart.
    pub body: Vec<u8>,
}

impl RawResponse {
    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        fields
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the server says that this response is the connection's last.
    pub fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    fn head(bytes: &[u8]) -> Self {
        let head = String::from_utf8_lossy(bytes);
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let mut words = first.split(' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {head:?}"));
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Self {
            version,
            status,
            headers,
            body: Vec::new(),
        }
    }
}

impl Raw {
    /// Connects over TCP.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("connected"))
    }

    /// Takes an open connection: TLS, a Unix socket.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            pending: BytesMut::new(),
        }
    }

    /// Connects, sends, and gives the connection.
    pub async fn sent(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(bytes).await;
        raw
    }

    /// Sends bytes; panics when the connection is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("sent");
    }

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let send = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        in_time("bytes to be taken", send).await
    }

    /// Sends a GET for `path` that keeps the connection open, and reads the response.
    pub async fn get(&mut self, path: &str) -> RawResponse {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"))
            .await;
        self.response().await
    }

    /// Says that nothing more will be sent.
    pub async fn finish_sending(&mut self) {
        self.stream.shutdown().await.expect("closed for writing");
    }

    /// Reads one response, an interim one (1xx) included; panics when it does not come whole.
    pub async fn response(&mut self) -> RawResponse {
        self.response_with_body(true).await
    }

    /// Reads one response to a HEAD request.
    pub async fn response_to_head(&mut self) -> RawResponse {
        self.response_with_body(false).await
    }

    async fn response_with_body(&mut self, body: bool) -> RawResponse {
        let head = self.until(b"\r\n\r\n").await;
        let mut response = RawResponse::head(&head);
        if !body || response.status < 200 || matches!(response.status, 204 | 304) {
            return response;
        }
        if response.header("transfer-encoding").is_some() {
            loop {
                let line = self.until(b"\r\n").await;
                let size = std::str::from_utf8(&line[..line.len() - 2]).expect("a chunk's size");
                let size = usize::from_str_radix(size, 16).expect("a chunk's size");
                let chunk = self.exactly(size + 2).await;
                response.body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    return response;
                }
            }
        }
        response.body = match response.header("content-length") {
            Some(length) => self.exactly(length.parse().expect("a length")).await,
            None => self.rest().await,
        };
        response
    }

    /// Everything up to the connection's end, which may be a reset; panics when it stays open.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more("the connection's end").await {}
        std::mem::take(&mut self.pending).to_vec()
    }

    /// Reads a response, and checks that it is the last thing on the connection.
    pub async fn last_response(&mut self) -> RawResponse {
        let response = self.response().await;
        let rest = self.rest().await;
        assert!(
            rest.is_empty(),
            "after {response:?} came {:?}",
            String::from_utf8_lossy(&rest)
        );
        response
    }

    /// Exactly this many bytes; panics when the connection ends before.
    pub async fn exactly(&mut self, length: usize) -> Vec<u8> {
        let bytes = self.exactly_or_end(length).await;
        bytes.unwrap_or_else(|| panic!("the connection ended after {:?}", self.pending))
    }

    /// Exactly this many bytes, or `None` when the connection ends before.
    pub async fn exactly_or_end(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.pending.len() < length {
            if !self.more("bytes").await {
                return None;
            }
        }
        Some(self.pending.split_to(length).to_vec())
    }

    /// Everything up to and with `end`.
    pub async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self
                .pending
                .windows(end.len())
                .position(|window| window == end)
            {
                let found = self.pending[..at + end.len()].to_vec();
                self.pending.advance(found.len());
                return found;
            }
            assert!(
                self.more("bytes").await,
                "the connection ended after {:?}",
                self.pending
            );
        }
    }

    /// Reads once; whether there was something.
    async fn more(&mut self, what: &str) -> bool {
        let read = self.stream.read_buf(&mut self.pending);
        in_time(what, read).await.is_ok_and(|length| length > 0)
    }
}
