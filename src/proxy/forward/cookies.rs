//! How is a cookie taken out of a request's fields?

use http::HeaderValue;
use http::header::COOKIE;

use super::Fields;
use crate::route::cookie;

/// Takes every cookie of this name away; the others stay as they are. HTTP/2 may have one line for each (RFC 9113 §8.2.3).
pub fn remove_cookie(fields: &mut impl Fields, name: &str) {
    if cookie::values(fields.map(), name).next().is_none() {
        return;
    }
    let lines = fields.map().get_all(COOKIE).iter();
    let left: Vec<HeaderValue> = lines
        .filter_map(|line| match cookie::without(line.as_bytes(), name) {
            None => Some(line.clone()),
            Some(rest) if rest.is_empty() => None,
            // A part of a value is one as well.
            Some(rest) => HeaderValue::from_bytes(&rest).ok(),
        })
        .collect();
    fields.remove(&COOKIE);
    for line in left {
        fields.append(COOKIE, line);
    }
}
