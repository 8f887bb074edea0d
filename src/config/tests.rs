//! Is the reference true: every key, and every default?

use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::print::filled_in;
use super::reference::reference;
use super::{Config, Diagnostics, document, schema};

pub(super) static REFERENCE: LazyLock<String> = LazyLock::new(reference);

pub(super) fn read(text: &str) -> Config {
    let mut diagnostics = Diagnostics::default();
    let file: Arc<Path> = Arc::from(Path::new("test.yaml"));
    let root = document::parse(&file, text, &mut diagnostics).expect("it is YAML");
    let config = Config::read(&root, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    config
}

#[test]
fn the_reference_gives_every_section_its_defaults() {
    let reference = read(&REFERENCE);
    let minimal = read(
        "listeners: [{ name: plain, address: ':8080' }]\n\
         routes: [{ name: everything, pool: app }]\n\
         pools: [{ name: app, endpoints: ['10.0.0.1:8080', { address: 'app.internal:8080', weight: 3 }] }]\n",
    );
    let json = |config: &Config| serde_json::to_value(filled_in(config)).expect("plain values");
    let (reference, minimal) = (json(&reference), json(&minimal));
    for section in [
        "runtime",
        "admin",
        "access_log",
        "log",
        "forwarding",
        "resolver",
        "overload",
        "cache",
    ] {
        assert_eq!(reference[section], minimal[section], "{section}");
    }
    for list in ["listeners", "routes", "pools"] {
        assert_eq!(reference[list][0], minimal[list][0], "{list}");
    }
}

#[test]
fn the_reference_names_every_key_of_the_schema() {
    let mut keys = Vec::new();
    collect_keys(&schema::schema(), &mut keys);
    assert!(keys.len() > 60, "{keys:?}");
    for key in keys {
        assert!(
            REFERENCE.contains(&format!("{key}:")),
            "conf/reference.yaml does not tell of `{key}`"
        );
    }
}

pub(super) fn collect_keys(schema: &serde_json::Value, keys: &mut Vec<String>) {
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::Object(properties)) = map.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| collect_keys(value, keys));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_keys(item, keys)),
        _ => {}
    }
}
