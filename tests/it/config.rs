//! What does an operator see of a configuration before it runs: `check`, `print`, `schema`?
//!
//! Each `tests/conf/NAME.yaml` stands beside `NAME.expected`, what `portcullis check` says about it. After a change that
//! is meant, `PORTCULLIS_BLESS=1 cargo test --test it golden` writes the expectations anew; read the diff.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Where the golden configurations are; `check` runs there, so that the paths in its messages are the same everywhere.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conf")
}

/// The program with an environment of its own.
fn portcullis(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PORTCULLIS_TEST_PORT", "8080")
        .env("PORTCULLIS_TEST_EMPTY", "")
        .output()
        .expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// What `check` says, command by command; the way with `--strict` is only of interest where the other succeeds.
fn transcript(name: &str) -> String {
    let mut text = String::new();
    for strict in [false, true] {
        let mut arguments = vec!["check", "-c", name];
        if strict {
            arguments.push("--strict");
        }
        let output = portcullis(&folder(), &arguments);
        let code = output.status.code().expect("it ends by itself");
        let said = stdout(&output);
        let complained = String::from_utf8_lossy(&output.stderr);
        writeln!(
            text,
            "$ portcullis {}\n{said}{complained}[{code}]",
            arguments.join(" ")
        )
        .expect("memory");
        if code != 0 {
            break;
        }
    }
    text
}

fn configurations(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    names
}

#[test]
fn golden_configurations_get_exactly_the_diagnostics_that_are_written_beside_them() {
    let bless = std::env::var_os("PORTCULLIS_BLESS").is_some();
    let mut wrong = String::new();
    let names = configurations(&folder());
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let expected = folder().join(&name).with_extension("expected");
        let said = transcript(&name);
        if bless {
            std::fs::write(&expected, &said).expect("writable");
        }
        let written = std::fs::read_to_string(&expected).unwrap_or_default();
        if written != said {
            write!(
                wrong,
                "--- {name}: expected\n{written}--- {name}: found\n{said}"
            )
            .expect("memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn diagnostics_are_sorted_by_file_line_and_column() {
    for name in configurations(&folder()) {
        let said = stdout(&portcullis(&folder(), &["check", "-c", &name]));
        let places: Vec<(&str, u32, u32)> = said.lines().filter_map(place).collect();
        assert!(places.is_sorted(), "{name}: {places:?}");
    }
}

/// The place at the start of a diagnostic.
fn place(line: &str) -> Option<(&str, u32, u32)> {
    let mut parts = line.splitn(4, ':');
    let (file, line, column) = (parts.next()?, parts.next()?, parts.next()?);
    Some((file, line.parse().ok()?, column.parse().ok()?))
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = portcullis(&folder(), &["check", "-c", "nowhere.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("can't read nowhere.yaml: No such file"),
        "{output:?}"
    );
    let output = portcullis(&folder(), &["run", "-c", "nowhere.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("nowhere.yaml"),
        "{output:?}"
    );
}

#[test]
fn a_certificate_that_does_not_fit_its_key_is_reported_at_its_place() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let make =
        || rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("a certificate");
    let (one, other) = (make(), make());
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).expect("writable")
    };
    write("one.pem", &one.cert.pem());
    write("one.key", &one.signing_key.serialize_pem());
    write("other.key", &other.signing_key.serialize_pem());
    let config = |key: &str| {
        format!(
            "listeners:\n  - name: https\n    address: 127.0.0.1:8443\n    tls:\n      certificates:\n        \
             - certificate: one.pem\n          key: {key}\nroutes: [{{ name: all, respond: {{}} }}]\n"
        )
    };
    write("fits.yaml", &config("one.key"));
    write("other.yaml", &config("other.key"));
    let output = portcullis(directory.path(), &["check", "-c", "fits.yaml", "--strict"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = portcullis(directory.path(), &["check", "-c", "other.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stdout(&output);
    let diagnostic = said.lines().next().expect("a line");
    assert!(
        diagnostic.starts_with("other.yaml:6:24: error: listeners[https].tls.certificates[0]: "),
        "{said}"
    );
    assert!(
        diagnostic.contains("one.pem") && diagnostic.contains("other.key"),
        "{said}"
    );
}

fn printed(name: &str) -> Value {
    let output = portcullis(&folder(), &["print", "-c", name]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn print_shows_every_default() {
    let config = printed("ok.yaml");
    for (pointer, value) in [
        ("/runtime/threads", Value::from(0)),
        ("/runtime/grace", "30s".into()),
        ("/runtime/carrier", "auto".into()),
        ("/admin/address", "127.0.0.1:9901".into()),
        ("/access_log/format", "json".into()),
        ("/access_log/path", "stdout".into()),
        ("/log/level", "info".into()),
        ("/forwarding/via", true.into()),
        ("/listeners/0/http2", true.into()),
        ("/listeners/0/timeouts/header", "10s".into()),
        ("/listeners/0/limits/fields", 100.into()),
        ("/routes/0/https_redirect", false.into()),
        ("/pools/0/balancer", "round_robin".into()),
        ("/pools/0/protocol", "http1".into()),
        ("/pools/0/host", "keep".into()),
        ("/pools/0/timeouts/connect", "3s".into()),
        ("/pools/0/keepalive/connections", 256.into()),
    ] {
        assert_eq!(
            config.pointer(pointer),
            Some(&value),
            "{pointer}: {config:#}"
        );
    }
}

#[test]
fn print_fills_the_environment_in_and_masks_secrets() {
    let config = printed("environment.yaml");
    let addresses = config["listeners"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|listener| &listener["address"]);
    assert_eq!(
        addresses.collect::<Vec<_>>(),
        ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082"]
    );
    assert_eq!(config["routes"][0]["respond"]["status"], 204);

    let config = printed("everything.yaml");
    assert!(!config.to_string().contains("secret-in"), "{config:#}");
    let fields = &config["routes"][0]["request_headers"]["set"];
    assert_eq!(
        (&fields["Authorization"], &fields["X-Plain"]),
        (&"***".into(), &"plain".into())
    );
}

#[test]
fn what_print_shows_is_a_configuration_itself_and_prints_the_same_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for name in configurations(&folder()) {
        let output = portcullis(&folder(), &["print", "-c", &name]);
        if !output.status.success() {
            continue;
        }
        std::fs::write(directory.path().join(&name), &output.stdout).expect("writable");
        let checked = portcullis(directory.path(), &["check", "-c", &name]);
        assert!(checked.status.success(), "{name}: {}", stdout(&checked));
        let again = portcullis(directory.path(), &["print", "-c", &name]);
        assert_eq!(stdout(&again), stdout(&output), "{name}");
    }
}

#[test]
fn print_refuses_a_configuration_with_errors_and_says_which() {
    let output = portcullis(&folder(), &["print", "-c", "unknown-pool.yaml"]);
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(1), 0),
        "{output:?}"
    );
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("unknown-pool.yaml:9:11: error:"),
        "{output:?}"
    );
}

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
fn the_configuration_in_the_repository_is_as_the_schema_says() {
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
