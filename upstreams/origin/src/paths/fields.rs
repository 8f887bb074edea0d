//! Which answers are about header and trailer fields?

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::{Answer, Answered, Unusable};
use crate::answer::{Content, Step};

/// `/headers?name=value&…`
pub(super) fn asked_for(query: &str) -> Answered {
    let mut response = Response::new(Content::Whole(Bytes::from_static(b"see the header\n")));
    for (name, value) in pairs(query) {
        let name = HeaderName::from_bytes(&decode(name)?)
            .map_err(|_| Unusable(format!("`{name}` is not a field name")))?;
        if name == CONTENT_LENGTH || name == TRANSFER_ENCODING {
            let reason = format!("`{name}` frames the message: a wrong one takes a RawOrigin");
            return Err(Unusable(reason));
        }
        let value = HeaderValue::from_bytes(&decode(value)?)
            .map_err(|_| Unusable(format!("`{value}` is not a field value")))?;
        response
            .headers_mut()
            .try_append(name, value)
            .map_err(|_| Unusable("too many fields".to_owned()))?;
    }
    Ok(Answer::Response(response))
}

/// `/trailers`
pub(super) fn trailers() -> Answered {
    let fields = HeaderMap::from_iter([(
        HeaderName::from_static("x-trailer"),
        HeaderValue::from_static("end"),
    )]);
    Answer::ok(Content::steps([
        Step::Send(Bytes::from_static(b"trailers follow\n")),
        Step::Trailers(fields),
    ]))
}

/// The `name=value` pairs of a query, undecoded; a name alone has an empty value.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Decodes percent escapes (RFC 3986 section 2.1). `+` stays a plus: this is no form.
fn decode(text: &str) -> Result<Cow<'_, [u8]>, Unusable> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            decoded.push(first);
            continue;
        }
        let (high, low, after) = match after {
            [high, low, after @ ..] => (hex(*high), hex(*low), after),
            _ => (None, None, after),
        };
        let (Some(high), Some(low)) = (high, low) else {
            return Err(Unusable(format!("`{text}` has a broken percent escape")));
        };
        decoded.push(high << 4 | low);
        rest = after;
    }
    Ok(Cow::Owned(decoded))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3986_2_1_percent_escapes_are_decoded() {
        let decoded = |text| decode(text).ok().map(Cow::into_owned);
        assert_eq!(decoded("a+b"), Some(b"a+b".to_vec()));
        assert_eq!(decoded("a%20%C3%a9%25"), Some("a é%".as_bytes().to_vec()));
    }

    #[test]
    fn broken_escapes_and_illegal_fields_are_refused() {
        for query in [
            "a=%",
            "a=%4",
            "a=%zz",
            "a%20b=1",
            "a=%0d%0ab",
            "=1",
            "Content-Length=1",
            "transfer-encoding=chunked",
        ] {
            assert!(asked_for(query).is_err(), "{query}");
        }
    }
}
