//! How is an endpoint asked whether a stored response is still good, and what does its answer change?

use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    DATE, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::date;
use super::stored_fields;
use super::validators::Validators;

/// The fields by which a client asks for less than the whole response.
const CONDITIONS: [HeaderName; 6] = [
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    IF_RANGE,
    RANGE,
];

/// Whether a client asks for less than the whole response, or for nothing if it has it.
pub fn is_conditional(request: &HeaderMap) -> bool {
    CONDITIONS.iter().any(|name| request.contains_key(name))
}

/// Takes a client's own conditions and range out of a request, so that the answer is the whole response.
pub fn ask_for_the_whole(request: &mut HeaderMap) {
    for name in &CONDITIONS {
        request.remove(name);
    }
}

/// Makes a request ask whether the stored response has changed (RFC 9111 §4.3.1): the client's own conditions and range
/// make room for the stored response's validators.
pub fn ask_whether_modified(request: &mut HeaderMap, validators: &Validators) {
    ask_for_the_whole(request);
    if let Some(etag) = validators.etag.as_ref().and_then(|etag| etag.value()) {
        request.insert(IF_NONE_MATCH, etag);
    }
    if let Some(modified) = validators
        .modified
        .and_then(|modified| HeaderValue::from_bytes(&date::write(modified)).ok())
    {
        request.insert(IF_MODIFIED_SINCE, modified);
    }
}

/// Whether a 304 that an endpoint was asked for by [`ask_whether_modified`] is about the stored response, and so may
/// freshen it (RFC 9111 §4.3.4).
///
/// One without validators is: it says that the condition did not hold, and the stored response's validators were all
/// there was in it.
pub fn same_representation(stored: &Validators, newer: &HeaderMap) -> bool {
    let newer = Validators::of(newer);
    match (&stored.etag, &newer.etag) {
        (Some(one), Some(another)) if another.weak => one.weakly_is(another),
        (Some(one), Some(another)) => one.strongly_is(another),
        (None, Some(another)) if !another.weak => {
            // The tag is new, so only the other strong validator can tell.
            let modified = newer.strongly_modified();
            modified.is_some() && modified == stored.strongly_modified()
        }
        _ => newer
            .modified
            .is_none_or(|modified| stored.modified == Some(modified)),
    }
}

/// Freshens a stored response's fields by those of a newer one (RFC 9111 §3.2): each field that is there replaces all
/// lines of the stored one, but for those that must not be stored, and those that say how the stored body is framed and
/// coded. The stored date goes, if the newer one has none.
pub fn freshen(stored: &mut HeaderMap, newer: &HeaderMap) {
    for name in stored_fields(newer).keys() {
        if describes_the_stored_body(name) {
            continue;
        }
        stored.remove(name);
        for line in newer.get_all(name) {
            stored.append(name, line.clone());
        }
    }
    // RFC 9110 §6.6.1: what says nothing of when it was made is dated by when it came. With the stored date, `Expires` would
    // seem further away than it is.
    if !newer.contains_key(DATE) {
        stored.remove(DATE);
    }
    // A newer directive may name fields that were stored until now.
    *stored = stored_fields(stored);
}

/// §3.2: the body is as it was stored, whatever a message without one says of itself.
fn describes_the_stored_body(name: &HeaderName) -> bool {
    *name == CONTENT_LENGTH || *name == CONTENT_ENCODING || *name == CONTENT_RANGE
}

/// The stored response's fields that go with a 304 (RFC 9110 §15.4.5): all but those that describe the body which is not
/// sent. `Last-Modified` goes with it where no entity tag tells the version.
pub fn not_modified(fields: &HeaderMap) -> HeaderMap {
    let tagged = fields.contains_key(ETAG);
    let mut kept = HeaderMap::with_capacity(fields.keys_len());
    for (name, value) in fields {
        let left_out = describes_a_body(name) || (tagged && name == LAST_MODIFIED);
        if !left_out {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// Whether the field is about the body that a 200 would have, and of no use beside a 304.
fn describes_a_body(name: &HeaderName) -> bool {
    *name == CONTENT_TYPE
        || *name == CONTENT_LENGTH
        || *name == CONTENT_ENCODING
        || *name == CONTENT_LANGUAGE
        || *name == CONTENT_RANGE
        || *name == ACCEPT_RANGES
        || matches!(
            name.as_str(),
            "content-digest" | "content-disposition" | "content-md5" | "digest" | "repr-digest"
        )
}

#[cfg(test)]
mod tests;
