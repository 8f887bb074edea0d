//! By which id is a request found in every log along its way?

use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::{NoContext, Timestamp, Uuid};

/// The field that carries the id.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id, in bytes, that is taken over from a trusted peer.
const MAX_LENGTH: usize = 128;

/// The id the request came with in the field `name` if that is `accepted`, as a trusted peer's is, else a new UUID of
/// version 7 (RFC 9562 §5.7), which sorts by time.
///
/// An id is kept if it has 1 to 128 bytes of `A-Z a-z 0-9 . _ ~ + / = -`: nothing that would need quoting in a
/// log. The id goes into the log and, by [`super::add_request_fields`], to the origin.
pub fn request_id(name: &HeaderName, accepted: bool, fields: &HeaderMap) -> HeaderValue {
    fields
        .get(name)
        .filter(|id| accepted && is_usable(id.as_bytes()))
        .cloned()
        .unwrap_or_else(new_id)
}

fn is_usable(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(byte))
}

fn new_id() -> HeaderValue {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // `Uuid::now_v7` counts within a millisecond, under one lock for all threads; 74 random bits tell ids apart as well.
    let time = Timestamp::from_unix(NoContext, now.as_secs(), now.subsec_nanos());
    let mut text = Uuid::encode_buffer();
    let text = Uuid::new_v7(time).hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(id: &str) -> HeaderMap {
        let id = HeaderValue::from_str(id).expect("a test's id is a field value");
        HeaderMap::from_iter([(X_REQUEST_ID.clone(), id)])
    }

    #[test]
    fn an_id_from_whom_it_is_taken_is_kept() {
        let id = "Root=1-67891233-abcdef012345678912345678";
        assert_eq!(request_id(&X_REQUEST_ID, true, &with(id)), id);
    }

    #[test]
    fn an_id_that_is_not_taken_or_not_usable_is_replaced() {
        assert_ne!(request_id(&X_REQUEST_ID, false, &with("abc")), "abc");
        for id in ["", "a b", "a\"b", "a,b", &"x".repeat(129)] {
            assert_ne!(request_id(&X_REQUEST_ID, true, &with(id)), id);
        }
    }

    #[test]
    fn rfc9562_5_7_a_new_id_is_a_uuid_of_version_7() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let id = request_id(&X_REQUEST_ID, false, &HeaderMap::new());
            let uuid = Uuid::try_parse(id.to_str().expect("ASCII")).expect("a UUID");
            assert_eq!(uuid.get_version_num(), 7);
            assert!(seen.insert(uuid));
        }
    }
}
