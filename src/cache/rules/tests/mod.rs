//! What do the tests of the rules share?

mod age;
mod exchange;
mod freshness;
mod requests;
mod stale;
mod storing;
mod targeted;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields of these lines, in this order.
pub fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(
            HeaderName::from_static(name),
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        );
    }
    fields
}

/// A Sunday, and times after it.
pub const SUNDAY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
pub const A_SECOND_LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
pub const A_MINUTE_LATER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";
pub const AN_HOUR_LATER: &str = "Sun, 06 Nov 1994 09:49:37 GMT";
