//! Which fields of a response are stored?

use http::header::{AGE, CACHE_CONTROL, Entry, TRAILER};
use http::{HeaderMap, HeaderName};

use super::directives::{Directive, directives};
use super::field_names::FieldNames;
use super::targeted;
use crate::proxy::forward::{Keep, strip_response};

/// The fields of a response that may be stored (RFC 9111 §3.1): not those that concern one connection, not those that
/// `no-cache` or `private` names, not `Age`, which is counted on from [`Terms`](super::Terms), and not `Trailer`, as
/// there will be none.
pub fn stored_fields(fields: &HeaderMap) -> HeaderMap {
    let mut stored = fields.clone();
    strip_response(&mut stored, Keep::default());
    for name in named(fields) {
        stored.remove(name);
    }
    stored.remove(AGE);
    stored.remove(TRAILER);
    stored
}

/// The fields of a response that only the request has that brought it: those that `no-cache` or `private` names, unless
/// they concern one connection.
pub fn unshared_fields(fields: &HeaderMap) -> HeaderMap {
    let mut unshared = HeaderMap::new();
    let names = named(fields);
    if names.is_empty() {
        return unshared;
    }
    let mut sent = fields.clone();
    strip_response(&mut sent, Keep::default());
    for name in names {
        if let Entry::Occupied(lines) = sent.entry(&name) {
            let (name, lines) = lines.remove_entry_mult();
            lines.for_each(|line| {
                unshared.append(&name, line);
            });
        }
    }
    unshared
}

/// The fields that are only for the client that asked, or are to be asked about: what any field says counts, whether or
/// not another takes its place.
fn named(fields: &HeaderMap) -> Vec<HeaderName> {
    let mut names = Vec::new();
    let mut add = |directive: &Directive| {
        if directive.is("no-cache") || directive.is("private") {
            names.extend(
                FieldNames::of(directive)
                    .into_iter()
                    .flat_map(FieldNames::into_iter),
            );
        }
    };
    targeted::read(fields, &mut add);
    for line in fields.get_all(CACHE_CONTROL) {
        directives(line.as_bytes()).for_each(|directive| add(&directive));
    }
    names
}
