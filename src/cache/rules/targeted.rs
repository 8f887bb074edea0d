//! What does an endpoint say to caches like this one?

use http::header::GetAll;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::directives::{Argument, Directive};
use super::structured::{Member, Value, dictionary};

/// The fields that speak to this cache, the nearest first (RFC 9213 §2.2).
static TARGETS: [HeaderName; 2] = [
    HeaderName::from_static("portcullis-cache-control"),
    HeaderName::from_static("cdn-cache-control"),
];

/// Gives the directives of the first of them that is there, is not empty and can be read. It counts instead of
/// `Cache-Control` and `Expires`. Returns whether there is one.
pub(super) fn read(fields: &HeaderMap, mut each: impl FnMut(&Directive)) -> bool {
    TARGETS
        .iter()
        .any(|name| each_of(fields.get_all(name), &mut each))
}

fn each_of(lines: GetAll<HeaderValue>, each: &mut impl FnMut(&Directive)) -> bool {
    let lines: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
    // An empty line adds nothing to a list.
    let mut lines = lines;
    lines.retain(|line| !line.trim_ascii().is_empty());
    let line = lines.join(&b", "[..]);
    let members = dictionary(&line).unwrap_or_default();
    members
        .iter()
        .map(directive)
        .for_each(|directive| each(&directive));
    !members.is_empty()
}

/// A member as the directive that it means (§2.1): only those that name fields have strings.
fn directive<'v>(member: &Member<'v>) -> Directive<'v> {
    let name = member.key;
    let names_fields = name == b"no-cache" || name == b"private";
    let argument = match &member.value {
        Value::True => Argument::None,
        Value::Integer(digits) => Argument::Value((*digits).into()),
        Value::String(names) if names_fields => Argument::Value(names.clone()),
        Value::String(_) | Value::Other => Argument::Malformed,
    };
    Directive { name, argument }
}
