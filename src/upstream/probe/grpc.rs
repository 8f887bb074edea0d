//! How is an endpoint asked by the health protocol of gRPC?
//!
//! One unary call of `grpc.health.v1.Health/Check` (`grpc/doc/health-checking.md`) as gRPC is carried over HTTP/2
//! (`grpc/doc/PROTOCOL-HTTP2.md`). The two messages have one field each, so they are written and read here:
//!
//! ```proto
//! message HealthCheckRequest  { string service = 1; }
//! message HealthCheckResponse { enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
//!                               ServingStatus status = 1; }
//! ```

use std::pin::pin;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;

use super::http::absolute;
use super::{Tasks, Wire, beside, broken};
use crate::pool::health::check::{AGENT, Failure};
use crate::upstream::connection::EndpointConnection;

const METHOD: &str = "/grpc.health.v1.Health/Check";

/// The largest answer, in bytes; the usual one has seven.
const LARGEST: usize = 4 << 10;

/// The length of what comes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Names of `ServingStatus`, by number.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: u64 = 1;

/// Asks once, on this connection.
pub(super) async fn ask(
    connection: EndpointConnection,
    service: &str,
    host: &HeaderValue,
    tls: bool,
    timeout: Duration,
) -> Result<(), Failure> {
    let mut request = Request::new(Full::new(framed(service)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = absolute(&Uri::from_static(METHOD), host, tls)?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    // Eight digits at most.
    let millis = timeout.as_millis().min(99_999_999);
    if let Ok(value) = HeaderValue::try_from(format!("{millis}m")) {
        headers.insert("grpc-timeout", value);
    }
    let tasks = Tasks::default();
    let (mut sender, connection) = http2::handshake(tasks.clone(), Wire::new(connection))
        .await
        .map_err(|error| broken(&error))?;
    let exchange = async {
        let answer = sender.send_request(request).await;
        judge(answer.map_err(|error| broken(&error))?).await
    };
    beside(connection, exchange).await
}

async fn judge(answer: Response<Incoming>) -> Result<(), Failure> {
    if answer.status() != StatusCode::OK {
        return Err(Failure::Status(answer.status().as_u16()));
    }
    // Without a message, the status stands in the header.
    ended_well(answer.headers())?;
    let mut body = pin!(answer.into_body());
    let mut message = Vec::new();
    let mut ended = false;
    while let Some(frame) = body.frame().await {
        match frame.map_err(|error| broken(&error))?.into_data() {
            Ok(piece) => message.extend_from_slice(&piece),
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    ended |= ended_well(&trailers)?;
                }
            }
        }
        if message.len() > LARGEST {
            return Err(Failure::Broken("the message is too large".to_owned()));
        }
    }
    match serving_status(&message) {
        _ if !ended => Err(Failure::Broken("there is no grpc-status".to_owned())),
        Some(SERVING) => Ok(()),
        Some(status) => {
            let name = usize::try_from(status).ok().and_then(|at| STATUSES.get(at));
            Err(Failure::NotServing(
                name.copied().unwrap_or("something unknown"),
            ))
        }
        None => Err(Failure::Broken("it is no HealthCheckResponse".to_owned())),
    }
}

/// Whether there is a `grpc-status`.
///
/// # Errors
///
/// It is another than 0 (OK).
fn ended_well(fields: &HeaderMap) -> Result<bool, Failure> {
    let Some(status) = fields.get("grpc-status") else {
        return Ok(false);
    };
    if status.as_bytes() == b"0" {
        return Ok(true);
    }
    let text = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.chars().take(200).collect::<String>()
    };
    let mut said = text(status);
    if let Some(message) = fields.get("grpc-message") {
        said = format!("{said} ({})", text(message));
    }
    Err(Failure::GrpcStatus(said))
}

/// A `HealthCheckRequest`, with what goes before a message.
fn framed(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        // Field 1, with a length before it.
        message.put_u8(1 << 3 | 2);
        let mut length = service.len();
        while length >= 0x80 {
            message.put_u8(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        message.put_u8(u8::try_from(length).unwrap_or_default());
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    // A service's name comes from a configuration, which is not that long.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.unsplit(message);
    framed.freeze()
}

/// The status in a framed `HealthCheckResponse`; `None` if it is none.
fn serving_status(framed: &[u8]) -> Option<u64> {
    let (prefix, message) = framed.split_at_checked(PREFIX)?;
    let (compressed, length) = prefix.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    // Nobody offered to take it compressed.
    if *compressed != 0 || usize::try_from(length).ok()? != message.len() {
        return None;
    }
    let mut rest = message;
    // A field at its default is not sent.
    let mut status = 0;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let skipped = match key & 7 {
            0 => {
                let value = varint(&mut rest)?;
                if key >> 3 == 1 {
                    status = value;
                }
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut rest)?).ok()?,
            5 => 4,
            _ => return None,
        };
        rest = rest.get(skipped..)?;
    }
    Some(status)
}

/// A number in groups of seven bits, the lowest first; `None` if it does not end, or is over 64 bits.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(message: &[u8]) -> Vec<u8> {
        let mut framed = vec![0, 0, 0, 0, u8::try_from(message.len()).expect("short")];
        framed.extend_from_slice(message);
        framed
    }

    #[test]
    fn the_service_is_asked_for_by_its_name() {
        assert_eq!(framed("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(framed("a.B")[..], *b"\0\0\0\0\x05\x0a\x03a.B");
        let long = framed(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 10, 0xac, 2]);
        assert_eq!(long.len(), 308);
    }

    #[test]
    fn the_status_is_found_among_fields_that_a_later_protocol_may_have() {
        assert_eq!(serving_status(&response(&[])), Some(0));
        assert_eq!(serving_status(&response(&[8, 1])), Some(SERVING));
        assert_eq!(serving_status(&response(&[8, 2])), Some(2));
        assert_eq!(serving_status(&response(&[8, 2, 8, 1])), Some(SERVING));
        let others = [
            &[0x12, 2, 8, 9][..],
            &[0x19, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x25, 1, 2, 3, 4],
            &[0x28, 0x80, 1],
            &[8, 1],
        ];
        assert_eq!(serving_status(&response(&others.concat())), Some(SERVING));
    }

    #[test]
    fn what_is_no_whole_response_is_none() {
        for framed in [
            &b""[..],
            b"\0\0\0\0",
            // Compressed, too short, too long, two messages.
            b"\x01\0\0\0\x02\x08\x01",
            b"\0\0\0\0\x03\x08\x01",
            b"\0\0\0\0\x01\x08\x01",
            b"\0\0\0\0\x02\x08\x01\0\0\0\0\x02\x08\x01",
            // A key without a value, a length beyond the end, an unknown kind, a number without end.
            b"\0\0\0\0\x01\x08",
            b"\0\0\0\0\x03\x12\x05\x01",
            b"\0\0\0\0\x01\x0b",
            b"\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(serving_status(framed), None, "{framed:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(message in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let _ = serving_status(&response(&message));
            let _ = serving_status(&message);
        }
    }
}
