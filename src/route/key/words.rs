//! What does a request have for a word of a key?

use serde_json::Value;

use super::{Piece, Source, Word};
use crate::route::{claim, cookie, query_value};

/// Gives `take` the word's value.
pub(super) fn read(word: &Word, from: &Source<'_>, take: impl FnOnce(Piece<'_>)) {
    let request = from.request;
    let value = match word {
        Word::ClientIp => return take(from.client.map_or(Piece::Absent, Piece::Client)),
        Word::Path => Some(request.path.as_bytes()),
        Word::Host => Some(request.host.as_bytes()),
        Word::Header(name) => request.headers.get(name).map(|value| value.as_bytes()),
        Word::Cookie(name) => cookie::values(request.headers, name).next(),
        Word::Query(name) => {
            let value = request.query.and_then(|query| query_value(query, name));
            return take(piece(value.as_deref()));
        }
        Word::Claim(name) => match from.claims.and_then(|claims| claim(claims, name)) {
            Some(Value::String(text)) => Some(text.as_bytes()),
            Some(Value::Bool(true)) => Some(&b"true"[..]),
            Some(Value::Bool(false)) => Some(&b"false"[..]),
            Some(Value::Number(number)) => {
                return take(Piece::Value(number.to_string().as_bytes()));
            }
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => None,
        },
    };
    take(piece(value));
}

fn piece(value: Option<&[u8]>) -> Piece<'_> {
    match value {
        Some(value) if !value.is_empty() => Piece::Value(value),
        _ => Piece::Absent,
    }
}
