//! Which fields of requests and answers stand in a line?

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::mask::{Mask, Pattern, STARS};
use crate::telemetry::json::{self, Object};

/// One field that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its name.
    pub name: HeaderName,
    /// Whether its value is masked.
    pub masked: bool,
}

impl Chosen {
    /// The field of this name, masked if one of these patterns has it.
    pub fn new(name: HeaderName, mask: &[Pattern]) -> Self {
        // A name of a field is always in small letters.
        let masked = mask
            .iter()
            .any(|pattern| pattern.is(name.as_str().as_bytes()));
        Self { name, masked }
    }
}

/// Appends an object under `key` with those of the chosen fields that are there, if there is one. What looks like an
/// address in one, as in `Referer` and `Location`, is masked as one, with the parameters `secrets` too.
pub(super) fn append(
    line: &mut Object<'_>,
    key: &str,
    chosen: &[Chosen],
    fields: Option<&HeaderMap>,
    mask: &Mask,
    secrets: &[Arc<str>],
) {
    let Some(fields) = fields else {
        return;
    };
    if !chosen.iter().any(|one| fields.contains_key(&one.name)) {
        return;
    }
    line.value(key, |out| {
        let mut object = Object::new(out);
        for Chosen { name, masked } in chosen {
            let mut values = fields.get_all(name).iter();
            let Some(first) = values.next() else {
                continue;
            };
            object.quoted(name.as_str(), |out| {
                if *masked {
                    out.extend_from_slice(STARS);
                    return;
                }
                let put = |value: &HeaderValue, out: &mut Vec<u8>| {
                    mask.address(value.as_bytes(), secrets, |piece| {
                        json::escape_bytes(out, piece)
                    });
                };
                put(first, out);
                for value in values {
                    out.extend_from_slice(b", ");
                    put(value, out);
                }
            });
        }
        object.end();
    });
}
