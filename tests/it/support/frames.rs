//! How does a test send HTTP/2 that no library would send?

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::Raw;

// Frame types (RFC 9113 §6).
pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const PRIORITY: u8 = 0x2;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
pub const WINDOW_UPDATE: u8 = 0x8;
pub const CONTINUATION: u8 = 0x9;

// Flags of theirs.
pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;

/// The error code of a stream on which nothing was done (RFC 9113 §7).
pub const REFUSED_STREAM: u32 = 0x7;

const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client, or an endpoint, that writes HTTP/2 frames by hand (RFC 9113 §4).
pub struct Frames {
    raw: Raw,
    /// Of a frame whose payload has not been read yet.
    head: Option<Vec<u8>>,
}

/// One frame as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// HEADERS with this status; whether the stream ends with it.
    Headers(u32, u16, bool),
    /// DATA; whether the stream ends with it.
    Data(u32, Vec<u8>, bool),
    /// RST_STREAM with this error code.
    Reset(u32, u32),
    /// GOAWAY: the last stream that the other end takes, and its error code.
    GoAway(u32, u32),
    /// PING that wants an answer.
    Ping(Vec<u8>),
    /// Anything else.
    Other(u8),
}

/// How the other end reacted to a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a response of this status.
    Answered(u16),
    /// With RST_STREAM and this error code (RFC 9113 §7).
    Reset(u32),
    /// With GOAWAY and this error code.
    GoAway(u32),
    /// With the connection's end.
    Closed,
}

impl Ended {
    /// Whether the request was refused: as malformed on the stream or the connection, or with a 4xx.
    pub fn is_refusal(&self) -> bool {
        match self {
            Ended::Answered(status) => (400..500).contains(status),
            // NO_ERROR ends a connection in good order.
            Ended::Reset(code) | Ended::GoAway(code) => *code != 0,
            Ended::Closed => false,
        }
    }
}

impl Frames {
    /// Connects with prior knowledge, and sends preface and empty settings.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut frames = Self {
            raw: Raw::sent(address, PREFACE).await,
            head: None,
        };
        frames.frame(SETTINGS, 0, 0, b"").await;
        frames
    }

    /// The other end of a client's connection: reads the preface, and sends empty settings. `None` if the client leaves.
    pub async fn accepted(stream: TcpStream) -> Option<Self> {
        let mut frames = Self {
            raw: Raw::over(stream),
            head: None,
        };
        let preface = frames.raw.exactly_or_end(PREFACE.len()).await?;
        assert_eq!(preface, PREFACE.as_bytes());
        frames.frame(SETTINGS, 0, 0, b"").await;
        Some(frames)
    }

    /// Sends a header block with these fields, in this order and spelling.
    pub async fn headers(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) {
        self.write(&headers(stream, fields, end)).await;
    }

    /// Sends a header and the whole body in one write, so that nobody can answer before the body is there.
    pub async fn headers_and_data(&mut self, stream: u32, fields: &[(&str, &str)], body: &[u8]) {
        let data = frame(DATA, END_STREAM, stream, body);
        self.write(&[headers(stream, fields, false), data].concat())
            .await;
    }

    /// Sends a piece of a body.
    pub async fn data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        self.frame(DATA, if end { END_STREAM } else { 0 }, stream, bytes)
            .await;
    }

    /// Sends any frame; that the connection is gone already shows when reading.
    pub async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.write(&frame(kind, flags, stream, payload)).await;
    }

    /// Sends whole frames, or pieces of some; that the connection is gone already shows when reading.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.raw.try_send(bytes).await;
    }

    /// Answers a PING.
    pub async fn pong(&mut self, payload: &[u8]) {
        self.frame(PING, ACK, 0, payload).await;
    }

    /// Answers a PING and sends a whole request behind the answer, both in one write.
    pub async fn pong_and_headers(&mut self, payload: &[u8], stream: u32, fields: &[(&str, &str)]) {
        let pong = frame(PING, ACK, 0, payload);
        self.write(&[pong, headers(stream, fields, true)].concat())
            .await;
    }

    /// The next frame, or `None` at the connection's end. Settings are acknowledged, a PING is left to the caller.
    pub async fn next(&mut self) -> Option<Frame> {
        let (kind, flags, stream, payload) = self.read().await?;
        Some(match kind {
            HEADERS => Frame::Headers(stream, status(&payload), flags & END_STREAM != 0),
            DATA => Frame::Data(stream, payload, flags & END_STREAM != 0),
            RST_STREAM => Frame::Reset(stream, number(&payload)),
            GOAWAY => Frame::GoAway(number(&payload), number(&payload[4..])),
            PING if flags & ACK == 0 => Frame::Ping(payload),
            SETTINGS if flags & ACK == 0 => {
                self.frame(SETTINGS, ACK, 0, b"").await;
                Frame::Other(kind)
            }
            _ => Frame::Other(kind),
        })
    }

    /// Kind, flags, stream and payload of the next frame. Who stops waiting for it loses nothing of it.
    pub async fn read(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        if self.head.is_none() {
            self.head = Some(self.raw.exactly_or_end(9).await?);
        }
        let head = self.head.clone().expect("read");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.raw.exactly_or_end(length).await?;
        self.head = None;
        Some((head[3], head[4], number(&head[5..9]), payload))
    }

    /// Reads until the stream, or the connection, has its end or its response.
    pub async fn ended(&mut self, stream: u32) -> Ended {
        loop {
            let Some((kind, flags, of, payload)) = self.read().await else {
                return Ended::Closed;
            };
            match kind {
                HEADERS if of == stream => return Ended::Answered(status(&payload)),
                RST_STREAM if of == stream => return Ended::Reset(number(&payload)),
                GOAWAY => return Ended::GoAway(number(&payload[4..])),
                SETTINGS | PING if flags & ACK == 0 => {
                    let payload = if kind == PING { payload } else { Vec::new() };
                    self.frame(kind, ACK, 0, &payload).await;
                }
                _ => {}
            }
        }
    }
}

/// The bytes of any frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The bytes of a header block with these fields, in this order and spelling.
pub fn headers(stream: u32, fields: &[(&str, &str)], end: bool) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        // Literal without indexing, new name, no Huffman coding (RFC 7541 §6.2.2).
        block.push(0);
        for text in [name, value] {
            block.push(
                u8::try_from(text.len())
                    .ok()
                    .filter(|length| *length < 127)
                    .expect("a short text"),
            );
            block.extend_from_slice(text.as_bytes());
        }
    }
    let flags = END_HEADERS | if end { END_STREAM } else { 0 };
    frame(HEADERS, flags, stream, &block)
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The status at the front of a header block (RFC 7541, appendix A): an entry of the static table, or a literal.
fn status(block: &[u8]) -> u16 {
    // A change of the table's size may come first.
    let start = block
        .iter()
        .position(|byte| byte & 0xe0 != 0x20)
        .expect("a field");
    match block[start] {
        indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        0x08..=0x0e | 0x48..=0x4e => literal(&block[start + 1..]),
        other => panic!("no status in front: {other:#x}"),
    }
}

/// Three digits, Huffman coded or not.
fn literal(text: &[u8]) -> u16 {
    let digits = match (text[0], &text[1..]) {
        (3, plain) => plain[..3].to_vec(),
        (length, coded) => huffman_digits(&coded[..usize::from(length & 0x7f)]),
    };
    String::from_utf8(digits)
        .expect("digits")
        .parse()
        .expect("a status")
}

/// Digits by the code of RFC 7541, appendix B: 0 to 2 have five bits, the others six.
fn huffman_digits(coded: &[u8]) -> Vec<u8> {
    let bits = coded
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let (mut digits, mut code, mut length) = (Vec::new(), 0u8, 0);
    for bit in bits {
        (code, length) = (code << 1 | bit, length + 1);
        let digit = match (length, code) {
            (5, 0..=2) => Some(b'0' + code),
            (6, 0x19..=0x1f) => Some(b'3' + code - 0x19),
            _ => None,
        };
        if let Some(digit) = digit {
            digits.push(digit);
            (code, length) = (0, 0);
        }
        if digits.len() == 3 {
            break;
        }
    }
    digits
}
