//! Do the names exist that a page talks about: keys of the configuration, metrics, files it leads to?

use std::process::Command;
use std::sync::OnceLock;

use regex::Regex;
use serde_json::Value;

use super::page::Page;
use super::root;

/// Panics for the first ones that don't.
pub fn exist(page: &Page) {
    let mut wrong = Vec::new();
    for (number, line) in prose(&page.text) {
        for key in all(r"`([a-z_]+(?:\.[a-z_0-9]+)*)(?:: [^`]*)?`", line) {
            if is_of_configuration(&key) && !has_key(schema(), &key) {
                wrong.push(format!("{}:{number}: no key `{key}`", page.path));
            }
        }
        for metric in all(r"\bportcullis_([a-z_0-9]+)", line) {
            if !has_metric(&metric) {
                wrong.push(format!(
                    "{}:{number}: no metric portcullis_{metric}",
                    page.path
                ));
            }
        }
        for link in all(r"\]\(([^)#:]+)(?:#[^)]*)?\)", line) {
            let folder = root().join(&page.path);
            let folder = folder.parent().expect("a folder");
            if !folder.join(&link).exists() {
                wrong.push(format!("{}:{number}: nothing at {link}", page.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The lines outside of fenced blocks, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push((number + 1, line));
        }
    }
    lines
}

fn all(pattern: &str, text: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    let found = pattern.captures_iter(text);
    found.map(|found| found[1].to_owned()).collect()
}

/// What the program says that a configuration may have.
fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("schema")
            .output();
        serde_json::from_slice(&output.expect("the binary").stdout).expect("JSON")
    })
}

/// Whether it is a path such as `pools.timeouts.connect`: of several parts, the first of which is a section. Fields of log
/// lines and module paths are none.
fn is_of_configuration(path: &str) -> bool {
    let Some((section, _)) = path.split_once('.') else {
        return false;
    };
    let sections = schema()["properties"].as_object().expect("sections");
    sections.contains_key(section) && !path.ends_with(".yaml")
}

/// Whether the path leads somewhere; lists are looked into, and one may say any name where any is allowed.
fn has_key(at: &Value, path: &str) -> bool {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let mut found = Vec::new();
    children(at, first, &mut found);
    match rest {
        "" => !found.is_empty(),
        _ => found.iter().any(|child| has_key(child, rest)),
    }
}

/// The schemas that a key may have here.
fn children<'a>(at: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    if let Some(named) = at["$ref"].as_str() {
        let name = named.trim_start_matches("#/$defs/");
        return children(schema_definition(name), key, found);
    }
    found.extend(at["properties"].get(key));
    if at["additionalProperties"].is_object() {
        found.push(&at["additionalProperties"]);
    }
    if at["items"].is_object() {
        children(&at["items"], key, found);
    }
    for way in ["anyOf", "oneOf", "allOf"] {
        for one in at[way].as_array().into_iter().flatten() {
            children(one, key, found);
        }
    }
}

fn schema_definition(name: &str) -> &'static Value {
    &schema()["$defs"][name]
}

/// Whether the catalogue has a metric of this name; its parts for a histogram count as well.
fn has_metric(name: &str) -> bool {
    let catalogue = include_str!("../../../src/telemetry/metrics/catalogue.rs");
    ["", "_bucket", "_sum", "_count"].iter().any(|ending| {
        let name = name.strip_suffix(ending).unwrap_or(name);
        catalogue.contains(&format!("\"portcullis_{name}\""))
    })
}

#[test]
fn keys_are_looked_up_through_lists_and_choices() {
    for key in [
        "pools.timeouts.connect",
        "pools.balancer.kind",
        "routes.match.paths.prefix",
        "routes.rate_limits.rate",
        "listeners.tls.certificates.key",
        "cache.disk.path",
    ] {
        assert!(is_of_configuration(key) && has_key(schema(), key), "{key}");
    }
    for key in ["pools.timeout", "routes.match.paths.suffix", "cache.disc"] {
        assert!(is_of_configuration(key) && !has_key(schema(), key), "{key}");
    }
}
