//! Does the schema say what the program accepts?

use serde_json::Value;

use super::print::printed;
use super::{folder, portcullis};

#[test]
fn the_schema_knows_every_section_and_refuses_unknown_keys() {
    let output = portcullis(&folder(), &["schema"]);
    let schema: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(
        (&schema["type"], &schema["additionalProperties"]),
        (&"object".into(), &false.into())
    );
    for name in [
        "include",
        "runtime",
        "admin",
        "access_log",
        "log",
        "forwarding",
        "listeners",
        "routes",
        "pools",
    ] {
        assert!(
            schema["properties"][name]["description"].is_string(),
            "{name}"
        );
    }
    let definitions = &schema["$defs"];
    for (definition, required, some) in [
        ("Listener", vec!["name", "address"], "proxy_protocol"),
        ("Route", vec!["name"], "response_headers"),
        ("Pool", vec!["name", "endpoints"], "keepalive"),
        ("Certificate", vec!["certificate", "key"], "names"),
    ] {
        let definition = &definitions[definition];
        assert_eq!(
            definition["required"],
            Value::from(required),
            "{definition:#}"
        );
        assert_eq!(definition["additionalProperties"], false, "{definition:#}");
        assert!(definition["properties"][some].is_object(), "{definition:#}");
    }
    assert_eq!(definitions["Protocol"]["oneOf"][1]["const"], "http2");
    // A name, or a mapping.
    let balancer = &definitions["Balancer"]["anyOf"];
    assert_eq!(balancer[0]["$ref"], "#/$defs/BalancerKind");
    assert_eq!(balancer[1]["additionalProperties"], false);
    assert!(
        balancer[1]["properties"]["kind"].is_object(),
        "{balancer:#}"
    );
}

#[test]
fn every_reference_in_the_schema_leads_somewhere() {
    let schema: Value =
        serde_json::from_slice(&portcullis(&folder(), &["schema"]).stdout).expect("JSON");
    let mut open = vec![&schema];
    let mut references = 0;
    while let Some(value) = open.pop() {
        match value {
            Value::Object(entries) => {
                if let Some(Value::String(reference)) = entries.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("within the schema");
                    assert!(schema.pointer(pointer).is_some(), "{reference}");
                    references += 1;
                }
                open.extend(entries.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(references > 20, "{references}");
}

#[test]
fn what_print_shows_has_no_key_that_the_schema_does_not_know() {
    let schema: Value =
        serde_json::from_slice(&portcullis(&folder(), &["schema"]).stdout).expect("JSON");
    // Of a checked configuration `print` gives the values, so that no YAML reader is needed here.
    let config = printed("everything.yaml");
    let mut wrong = Vec::new();
    unknown_keys(&config, &schema, &schema, "", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Collects the keys that no alternative of the schema has a place for.
fn unknown_keys(value: &Value, schema: &Value, root: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = root
            .pointer(reference.trim_start_matches('#'))
            .expect("it leads somewhere");
        return unknown_keys(value, schema, root, at, wrong);
    }
    let alternatives = ["anyOf", "oneOf"]
        .iter()
        .find_map(|key| schema[key].as_array());
    if let Some(alternatives) = alternatives {
        let fits = alternatives.iter().any(|schema| {
            let mut wrong = Vec::new();
            unknown_keys(value, schema, root, at, &mut wrong);
            wrong.is_empty() && schema.get("const").is_none_or(|only| only == value)
        });
        if !fits {
            wrong.push(format!("{at}: no alternative fits {value}"));
        }
        return;
    }
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let at = format!("{at}/{key}");
                match schema["properties"]
                    .get(key)
                    .or(schema.get("additionalProperties"))
                {
                    Some(inner) if inner.is_object() => {
                        unknown_keys(value, inner, root, &at, wrong)
                    }
                    _ => wrong.push(at),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                unknown_keys(item, &schema["items"], root, at, wrong);
            }
        }
        _ => {}
    }
}
