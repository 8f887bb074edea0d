//! Do clients get compressed what they can read compressed, and everything else as it was?

mod answers;
mod left_alone;
mod streams;

use std::io::Read;

use http::HeaderMap;
use origin::Scripted;

use crate::support::*;

/// The codings, each with what a client sends for it.
pub const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

/// A site whose route compresses: with these settings, in YAML's flow style; empty for the defaults.
pub fn compressing(origin: &origin::Origin, settings: &str) -> String {
    let route = format!("name: all, compress: {{{settings}}}");
    site("", origin.address()).replace("name: all", &route)
}

/// A document of some KiB that is worth compressing.
pub fn page() -> Vec<u8> {
    let lines = (0..400).map(|number| format!("<li>item {number} of the list</li>\n"));
    lines.collect::<String>().into_bytes()
}

/// [`page`] as an answer with its type.
pub fn html() -> Scripted {
    Scripted::new(200)
        .field("content-type", "text/html; charset=utf-8")
        .body(page())
}

/// What a client makes of a body in this coding; what is wrong with it, if it is not whole.
pub fn decoded(coding: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut out)?,
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut out)?,
        "zstd" => zstd::stream::read::Decoder::new(body)?.read_to_end(&mut out)?,
        other => panic!("nobody can read {other}"),
    };
    Ok(out)
}

/// What can be read of a body of which more may come.
pub fn readable(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn Read + '_> = match coding {
        "gzip" => Box::new(flate2::read::GzDecoder::new(body)),
        "br" => Box::new(brotli::Decompressor::new(body, 4096)),
        "zstd" => Box::new(zstd::stream::read::Decoder::new(body).expect("a decoder")),
        other => panic!("nobody can read {other}"),
    };
    let mut out = Vec::new();
    let mut byte = [0];
    while let Ok(1) = reader.read(&mut byte) {
        out.push(byte[0]);
    }
    out
}

/// A GET that accepts what `codings` says.
pub fn accepting(path: &str, codings: &str) -> http::Request<Body> {
    let asked = request("GET", path).header("accept-encoding", codings);
    asked.body(full("")).expect("a request")
}

/// The values of a field, in order.
pub fn values<'f>(fields: &'f HeaderMap, name: &str) -> Vec<&'f str> {
    let values = fields.get_all(name).iter();
    values
        .map(|value| value.to_str().expect("a value in ASCII"))
        .collect()
}
