//! Which answers report what the request was?

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::answer::Content;
use crate::journal::Journal;

/// How much of the request body `/echo` repeats, in bytes.
const REPEATED_BYTES: usize = 64 * 1024;

/// The parameters of 64-bit FNV-1a.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Reads a body to its end, shows each piece of it, and gives its length in bytes and its trailer
/// fields.
pub(super) async fn read(
    mut body: Incoming,
    journal: &Journal,
    mut show: impl FnMut(&Bytes),
) -> Result<(u64, HeaderMap), hyper::Error> {
    let (mut length, mut trailers) = (0, HeaderMap::new());
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                journal.received(data.len());
                length += data.len() as u64;
                show(&data);
            }
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok((length, trailers))
}

/// `/echo`
pub(super) async fn echo(asked: &Asked, body: Incoming) -> Result<Answer, hyper::Error> {
    let mut start = Vec::new();
    let (length, trailers) = read(body, &asked.shared.journal, |data| {
        let wanted = data.len().min(REPEATED_BYTES - start.len());
        start.extend_from_slice(&data[..wanted]);
    })
    .await?;
    let head = &asked.head;
    Ok(document(&json!({
        "origin": asked.shared.name,
        "method": head.method.as_str(),
        "uri": head.uri.to_string(),
        "version": format!("{:?}", head.version),
        "peer": asked.line.peer,
        "tls": asked.line.tls,
        "headers": fields(&head.headers),
        "body_bytes": length,
        "body": String::from_utf8_lossy(&start),
        "trailers": fields(&trailers),
    })))
}

/// `/upload` and `/expect`
pub(super) async fn upload(body: Incoming, journal: &Journal) -> Result<Answer, hyper::Error> {
    let mut sum = FNV_OFFSET;
    let (length, _) = read(body, journal, |data| sum = fnv1a64(sum, data)).await?;
    Ok(document(&json!({
        "bytes": length,
        "fnv1a64": format!("{sum:016x}"),
    })))
}

fn fnv1a64(sum: u64, data: &[u8]) -> u64 {
    data.iter().fold(sum, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)
    })
}

/// In the order of first appearance; fields of one name stand together.
fn fields(map: &HeaderMap) -> Vec<[String; 2]> {
    map.iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            [name.as_str().to_owned(), value]
        })
        .collect()
}

fn document(value: &Value) -> Answer {
    let mut response = Response::new(Content::Whole(format!("{value}\n").into()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Answer::Response(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_fnv1a64_however_the_body_is_cut() {
        assert_eq!(fnv1a64(FNV_OFFSET, b"foobar"), 0x8594_4171_f739_67e8);
        let halves = fnv1a64(fnv1a64(FNV_OFFSET, b"foo"), b"bar");
        assert_eq!(halves, 0x8594_4171_f739_67e8);
    }
}
