//! Does every example in `conf/examples` run, and answer?

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::configurations;
use crate::support::*;

/// The endpoints the examples are written with: as the demo's app servers.
const ENDPOINTS: [&str; 3] = ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"];

/// A request that the route is meant for.
fn request_for(route: &Value) -> http::Request<Body> {
    let matcher = &route["match"];
    let path = &matcher["paths"][0];
    let path = path["exact"]
        .as_str()
        .or(path["prefix"].as_str())
        .unwrap_or("/");
    let parameter = matcher["query"][0]["name"]
        .as_str()
        .map(|name| format!("?{name}=1"))
        .unwrap_or_default();
    let host = matcher["hosts"][0]
        .as_str()
        .unwrap_or("a.test")
        .replace('*', "a");
    let method = matcher["methods"][0].as_str().unwrap_or("GET");
    let mut asked = request(method, &format!("{path}{parameter}")).header("host", host);
    for field in matcher["headers"].as_array().into_iter().flatten() {
        let name = field["name"].as_str().expect("a name");
        // Of the patterns the examples have, this is a text they match.
        let pattern = field["regex"]
            .as_str()
            .map(|pattern| pattern.replace(".*", ""));
        let value = field["exact"].as_str().map(str::to_owned).or(pattern);
        asked = asked.header(name, value.unwrap_or_default());
    }
    // The secrets that the examples have the hashes of.
    if !route["api_key"].is_null() {
        asked = asked.header("x-api-key", "example-key");
    }
    if !route["basic_auth"].is_null() {
        let anna = STANDARD.encode("anna:example-password");
        asked = asked.header("authorization", format!("Basic {anna}"));
    }
    asked.body(full("")).expect("a request")
}

#[tokio::test]
async fn every_example_runs_and_answers_what_its_routes_are_meant_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/examples");
    // One for each, because a pool can't have the same endpoint twice.
    let origins = [origin().await, origin().await, origin().await];
    let names = configurations(&folder);
    assert!(!names.is_empty());
    for name in names {
        let mut yaml = std::fs::read_to_string(folder.join(&name)).expect("a file");
        for (written, origin) in ENDPOINTS.iter().zip(&origins) {
            yaml = yaml.replace(written, &origin.address().expect("TCP").to_string());
        }
        let builder = Portcullis::builder(&yaml);
        let strict = builder.output(&["check", "--strict"]);
        assert!(
            strict.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&strict.stdout)
        );
        let config: Value =
            serde_json::from_slice(&builder.output(&["print"]).stdout).expect("JSON");
        let portcullis = builder.start().await;
        for listener in config["listeners"].as_array().expect("a list") {
            let address = portcullis.listener(listener["name"].as_str().expect("a name"));
            for route in config["routes"].as_array().expect("a list") {
                let answer = http1(address).await.ask(request_for(route)).await;
                let status = answer.status.as_u16();
                assert!(
                    (200..400).contains(&status),
                    "{name}: {}: {answer:?}",
                    route["name"]
                );
                let line = portcullis
                    .logged(|line| line["route"] == route["name"])
                    .await;
                assert_eq!(line.get("reason"), None, "{name}: {line}");
            }
        }
    }
}

#[tokio::test]
async fn the_environment_of_the_process_fills_values_in() {
    let origin = origin().await;
    let yaml = site("", origin.address()).replace("127.0.0.1:0", "127.0.0.1:${PORT:-0}");
    let yaml = yaml + "forwarding: {trusted_proxies: [\"${FRONT}\"]}\n";
    let portcullis = Portcullis::builder(&yaml)
        .env("FRONT", "127.0.0.1")
        .start()
        .await;
    let asked = request("GET", "/echo")
        .header("x-request-id", "from-the-front")
        .body(full(""));
    let mut client = http1(portcullis.listener("http")).await;
    let answer = client.ask(asked.expect("a request")).await;
    assert_eq!(
        answer.seen_header("x-request-id").as_deref(),
        Some("from-the-front")
    );
    let refused = Portcullis::builder(&yaml).refused(1);
    assert!(refused.contains("\"FRONT\" is not set"), "{refused}");
}
