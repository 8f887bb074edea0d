//! What does `print` show of a configuration?

use serde_json::Value;

use super::{configurations, folder, portcullis, stdout};

/// The effective configuration.
pub fn printed(name: &str) -> Value {
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
        ("/pools/0/balancer/kind", "round_robin".into()),
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
fn print_shows_the_priority_of_a_backup() {
    let config = printed("idle-settings.yaml");
    let endpoints = &config["pools"][4]["endpoints"];
    assert_eq!(
        (&endpoints[0]["priority"], &endpoints[1]["priority"]),
        (&0.into(), &255.into()),
        "{config:#}"
    );
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
fn print_fills_in_what_a_health_check_does_not_say_and_masks_its_secrets() {
    let config = printed("health-ok.yaml");
    let health = |index: usize| &config["pools"][index]["health"];
    for (index, key, value) in [
        (0, "method", Value::from("GET")),
        (0, "timeout", "2s".into()),
        (0, "interval_down", "5s".into()),
        (0, "status", vec!["200-204", "301", "404"].into()),
        (0, "service", Value::Null),
        (1, "service", "shop.Cart".into()),
        (1, "path", Value::Null),
        (2, "method", Value::Null),
        (3, "path", "/".into()),
        (3, "status", vec!["200-299"].into()),
        (3, "timeout", "500ms".into()),
        (3, "interval_down", "100ms".into()),
    ] {
        assert_eq!(health(index)[key], value, "{index}: {key}");
    }
    let fields = &health(0)["headers"];
    assert_eq!(fields["Authorization"], "***");
    assert_eq!(fields["X-Plain"], "plain");
}

#[test]
fn print_masks_the_hashes_of_passwords_and_keys() {
    let hash = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let yaml = format!(
        "listeners: [{{name: http, address: '127.0.0.1:0'}}]\n\
         routes: [{{name: all, basic_auth: {{users: {{anna: {hash}}}}}, \
         api_key: {{keys: [{{name: billing, sha256: {sha256}}}]}}, respond: {{}}}}]\n"
    );
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("a.yaml"), yaml).expect("writable");
    let output = portcullis(directory.path(), &["print", "-c", "a.yaml"]);
    assert!(output.status.success(), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let route = &printed["routes"][0];
    assert_eq!(route["basic_auth"]["users"]["anna"], "***");
    assert_eq!(route["basic_auth"]["realm"], "restricted");
    assert_eq!(route["api_key"]["keys"][0]["sha256"], "***");
    assert_eq!(route["api_key"]["keys"][0]["name"], "billing");
    assert_eq!(route["api_key"]["from"], "header.X-Api-Key");
}

#[test]
fn what_print_shows_is_a_configuration_itself_and_prints_the_same_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Files that a configuration names are relative to it.
    for entry in std::fs::read_dir(folder()).expect("a folder").flatten() {
        if entry.path().is_dir() {
            let beside = directory.path().join(entry.file_name());
            std::os::unix::fs::symlink(entry.path(), beside).expect("linked");
        }
    }
    for name in configurations(&folder()) {
        let output = portcullis(&folder(), &["print", "-c", &name]);
        // What is shown instead of a secret is none.
        if !output.status.success() || stdout(&output).contains("***") {
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
fn print_shows_where_nothing_is_retried_on() {
    let config = printed("no-retries.yaml");
    let of = |part: &str, name: &str| {
        let mut parts = config[part].as_array().expect("a list").iter();
        let found = parts.find(|one| one["name"] == name);
        found.expect("it")["retries"].clone()
    };
    let nothing = serde_json::json!({"limit": 0, "on": []});
    assert_eq!(of("routes", "never"), nothing);
    let pool = of("pools", "none");
    assert_eq!((&pool["limit"], &pool["on"]), (&0.into(), &nothing["on"]));
    // Where nothing is said, the defaults.
    assert_eq!(
        of("pools", "app")["on"],
        serde_json::json!(["connect", "reset"])
    );
}
