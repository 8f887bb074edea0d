//! What should have been written by who gave a single value where there must be a list or a mapping, or another key?

use super::key_path::KeyPath;
use super::{Key, Kind, Node};
use crate::config::units::StatusRange;

/// The longest value that a hint repeats.
const LONGEST: usize = 60;

/// ``write `status: [200]` `` for `status: 200`, and ``write `rate_limits: [{ name: … }]` `` for one entry that stands in no
/// list; nothing for a value that is too long to be repeated.
pub(super) fn of_list(node: &Node, path: &KeyPath<'_>) -> Option<String> {
    if let Kind::Mapping(entries) = &node.kind {
        return of_entries(entries, path);
    }
    let value = repeated(node)?;
    if matches!(path, KeyPath::Key(_, "allow" | "deny")) && matches!(value.as_str(), "all" | "any")
    {
        return Some(written(path, "[0.0.0.0/0, \"::/0\"]"));
    }
    // Repeated as it is, it would be the next mistake.
    let class = StatusRange::class(&value).map(|class| class.to_string());
    Some(written(path, &format!("[{}]", class.unwrap_or(value))))
}

/// ``write `retries: { limit: 3 }` `` for `retries: 3`. `name` is that of the type that has the mapping; for a value that
/// nobody means by it there is nothing to say.
pub(super) fn of_mapping(node: &Node, path: &KeyPath<'_>, name: &str) -> Option<String> {
    let value = repeated(node)?;
    let Kind::Scalar { text, .. } = &node.kind else {
        return None;
    };
    let entries = meant(name, text, &value)?;
    Some(match entries.as_str() {
        "" => written(path, "{}"),
        entries => written(path, &format!("{{ {entries} }}")),
    })
}

/// For a mapping in the place of a list: it is its one entry, or it has the entries by their names.
fn of_entries(entries: &[(Key, Node)], path: &KeyPath<'_>) -> Option<String> {
    let (first, value) = entries.first()?;
    let name = &first.name;
    if name.len() > LONGEST || !name.bytes().all(is_harmless) {
        return None;
    }
    let by_name = matches!(value.kind, Kind::Mapping(_));
    let entry = match path {
        KeyPath::Root => return None,
        _ if by_name => format!("[{{ name: {name}, … }}]"),
        KeyPath::Key(_, "keys") if !matches!(name.as_str(), "name" | "sha256") => {
            format!("[{{ name: {name}, sha256: … }}]")
        }
        _ => format!("[{{ {name}: … }}]"),
    };
    Some(written(path, &entry))
}

/// What to write in the place of a key that this type does not have, where that helps more than a list of those it has.
pub(super) fn of_key(name: &str, key: &str) -> Option<&'static str> {
    match (name, key) {
        ("NamedKey", "key" | "value" | "secret") => Some(
            "write `sha256`, the hash of the key, as `printf %s KEY | sha256sum | cut -d' ' -f1` shows it",
        ),
        _ => None,
    }
}

fn written(path: &KeyPath<'_>, value: &str) -> String {
    match path {
        KeyPath::Key(_, key) => format!("write `{key}: {value}`"),
        KeyPath::Root | KeyPath::Index(..) => format!("write `{value}`"),
    }
}

/// The entries that are meant by one value in the place of the mapping of this type.
fn meant(name: &str, text: &str, value: &str) -> Option<String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = !is_number && text.starts_with(|first: char| first.is_ascii_digit());
    let is_switch = matches!(text, "true" | "false");
    let is_path = text.starts_with('/');
    let entries = match (name, text) {
        ("Retries" | "RouteRetries", "false") => "limit: 0".to_owned(),
        ("Retries" | "RouteRetries", _) if is_number => format!("limit: {value}"),
        ("Health", "http" | "tcp" | "grpc") => format!("type: {value}"),
        ("Health", _) if is_path => format!("path: {value}"),
        ("Breaker", "true") => "consecutive_failures: 5".to_owned(),
        ("Breaker" | "Ejection", _) if is_number => format!("consecutive_failures: {value}"),
        ("Hedging", _) if is_time || text == "p95" => format!("after: {value}"),
        ("Limits", _) if is_number => format!("requests: {value}"),
        ("Keepalive", _) if is_time => format!("idle: {value}"),
        ("PoolTimeouts", _) if is_time => format!("total: {value}"),
        ("Sticky", "true" | "cookie") => "cookie: {}".to_owned(),
        ("StickyCookie", _) if !is_switch && !text.is_empty() => format!("name: {value}"),
        ("RetryBudget", _) if is_number => format!("percent: {value}"),
        ("Backoff", _) if is_time => format!("base: {value}"),
        ("BasicAuth", _) if !is_switch && !text.is_empty() => format!("file: {value}"),
        ("Cors", "true") => "allow_origins: [https://app.example]".to_owned(),
        ("Cors", _) if text == "*" || text.contains("://") => format!("allow_origins: [{value}]"),
        ("RequestId", _) if !is_switch && !text.is_empty() => format!("header: {value}"),
        ("CacheDisk", _) if is_path => format!("path: {value}, size: 10GiB"),
        ("RouteCache", "false") => "enabled: false".to_owned(),
        ("RouteCache", _) if is_time => format!("default_ttl: {{ 200: {value} }}"),
        // The mapping of these may be empty.
        (
            "Health" | "Ejection" | "Hedging" | "PoolTls" | "StickyCookie" | "RequestId" | "Hsts"
            | "RouteCache",
            "true",
        ) => String::new(),
        _ => return None,
    };
    Some(entries)
}

/// Whether it may stand anywhere in a plain scalar.
fn is_harmless(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"./_-".contains(&byte)
}

/// A single value as it can be written again between brackets or braces.
fn repeated(node: &Node) -> Option<String> {
    let Kind::Scalar { text, plain } = &node.kind else {
        return None;
    };
    let as_it_is = !text.is_empty() && text.bytes().all(is_harmless);
    // A colon ends no key where no space follows.
    let as_it_is = as_it_is
        || (text.bytes().all(|byte| is_harmless(byte) || byte == b':')
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && !text.ends_with(':'));
    (text.len() <= LONGEST).then(|| match as_it_is && *plain {
        true => text.clone(),
        // JSON's strings are YAML's.
        false => serde_json::Value::from(text.as_str()).to_string(),
    })
}
