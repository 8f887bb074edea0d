//! How is a page followed?

use std::net::SocketAddr;

use regex::Regex;
use serde_json::Value;

use super::page::{Block, Page};
use super::stage::{Said, Stage};
use super::{configuration, names, output};
use crate::support::skipped;

/// What `${NAME}` is in the configurations: the SHA-256 of `example-key`, and long enough for every secret.
const FILLED_IN: &str = "c018c41c1afaf2c0b66c64f97d0ee135657b699ad260f299234cd40a5d625e0e";

/// Runs what stands in a page, from its beginning to its end.
pub async fn follow(page: &Page) {
    names::exist(page);
    if page.blocks.iter().all(|block| block.not_run.is_some()) {
        return;
    }
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    stage.pem("tls/fullchain.pem").await;
    stage.pem("tls/privkey.pem").await;
    let mut environment = String::new();
    // What a `text` is held against.
    let mut last = None;
    for block in &page.blocks {
        let place = format!("{}:{}", page.path, block.line);
        for commands in &block.prepare {
            stage.must(&format!("{environment}{commands}")).await;
        }
        let before = last.take();
        if block.not_run.is_some() {
            continue;
        }
        if let Some(path) = &block.file {
            stage.write(path, &block.text).await;
            continue;
        }
        match block.kind.as_str() {
            "yaml" => last = configure(&mut stage, block, &place, &mut environment).await,
            "sh" => {
                let said = stage.run(&format!("{environment}{}", block.text)).await;
                let Said { code, text } = &said;
                assert_eq!(*code, block.exit, "{place}:\n{}\n{text}", block.text);
                last = Some(said);
            }
            "text" => {
                let said = before
                    .unwrap_or_else(|| panic!("{place}: of no command"))
                    .text;
                let shown = &block.text;
                assert!(
                    output::is(&said, shown),
                    "{place}: shown\n{shown}\nsaid\n{said}"
                );
            }
            "json" => {
                for one in serde_json::Deserializer::from_str(&block.text).into_iter::<Value>() {
                    one.unwrap_or_else(|error| panic!("{place}: {error}"));
                }
            }
            "nginx" => nginx(&mut stage, block, &place).await,
            "haproxy" => haproxy(&mut stage, block, &place).await,
            kind => panic!("{place}: what is `{kind}`?"),
        }
    }
}

/// Checks a configuration, puts its endpoints where it has them, and starts Portcullis with it.
async fn configure(
    stage: &mut Stage,
    block: &Block,
    place: &str,
    environment: &mut String,
) -> Option<Said> {
    let yaml = configuration::whole(&block.text);
    stage.write("portcullis.yaml", &yaml).await;
    for variable in all(r"\$\{([A-Z0-9_]+)\}", &yaml) {
        environment.push_str(&format!("export {variable}={FILLED_IN}\n"));
    }
    for path in all(
        r"\b(?:certificate|key|ca|client_ca): +([^\s,{}]+\.(?:pem|crt|key))",
        &yaml,
    ) {
        stage.pem(&path).await;
    }
    let checked = stage
        .run(&format!(
            "{environment}portcullis check --strict -c portcullis.yaml"
        ))
        .await;
    let expected = i32::from(block.rejected);
    assert_eq!(checked.code, expected, "{place}: {}\n{yaml}", checked.text);
    if block.rejected {
        return Some(checked);
    }
    let config = stage
        .must(&format!("{environment}portcullis print -c portcullis.yaml"))
        .await;
    let config: Value = serde_json::from_str(&config).expect("JSON");
    for route in list(&config["routes"]) {
        for host in list(&route["match"]["hosts"]) {
            let host = host.as_str().expect("a host").replace('*', "a");
            stage.name(&host, "127.0.0.1");
        }
    }
    for pool in list(&config["pools"]) {
        let name = pool["name"].as_str().expect("a name");
        let tls = pool["tls"].is_object();
        for (number, endpoint) in list(&pool["endpoints"]).iter().enumerate() {
            let address = endpoint["address"].as_str().expect("an address");
            let name = format!("{name}-{}", number + 1);
            if let Some(address) = known(stage, address) {
                stage.endpoint(&name, address, tls).await;
            }
        }
    }
    let started = stage
        .run(&format!("{environment}portcullis run -c portcullis.yaml"))
        .await;
    assert_eq!(
        started.code, 0,
        "{place}: does not start: {}\n{yaml}",
        started.text
    );
    None
}

/// Where an endpoint is; a host name is made known.
fn known(stage: &mut Stage, address: &str) -> Option<SocketAddr> {
    if let Ok(address) = address.parse() {
        return Some(address);
    }
    let (host, port) = address.rsplit_once(':')?;
    if host.starts_with("srv") || host.starts_with("unix") {
        return None;
    }
    // The same for one name each time, and hardly ever the same for two.
    let sum: u32 = host.bytes().map(u32::from).sum();
    let at = format!("10.99.{}.{}", sum / 200, 1 + sum % 200);
    stage.name(host, &at);
    format!("{at}:{port}").parse().ok()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn all(pattern: &str, text: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    let text: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    pattern
        .captures_iter(&text)
        .map(|found| found[1].to_owned())
        .collect()
}

/// Has nginx read its part of a translation.
async fn nginx(stage: &mut Stage, block: &Block, place: &str) {
    let text = &block.text;
    let starts = |word: &str| text.lines().any(|line| line.starts_with(word));
    let framed = if starts("http {") {
        text.clone()
    } else if starts("server {") || starts("upstream ") {
        format!("http {{\n{text}}}\n")
    } else {
        format!("http {{\nserver {{\n{text}}}\n}}\n")
    };
    for path in all(
        r"\bssl_(?:trusted_|client_)?certificate(?:_key)? +([^;]+);",
        text,
    ) {
        stage.pem(&path).await;
    }
    let file = format!("events {{}}\npid /run/nginx.pid;\n{framed}");
    stage.write("nginx.conf", &file).await;
    read_by(
        stage,
        "nginx",
        "nginx -t -q -c \"$PWD/nginx.conf\" -g 'user root;'",
        place,
        &file,
    )
    .await;
}

/// Has HAProxy read its part of a translation, and complain of whatever it warns of.
async fn haproxy(stage: &mut Stage, block: &Block, place: &str) {
    let text = &block.text;
    let mut file = String::new();
    if !text.lines().any(|line| line.starts_with("defaults")) {
        file.push_str("defaults\n  mode http\n  timeout connect 3s\n  timeout client 30s\n  timeout server 60s\n");
    }
    file.push_str(text);
    if !text.lines().any(|line| line.starts_with("backend ")) {
        file.push_str("backend app\n  server a1 10.0.0.1:8080\n");
    }
    for path in all(r"\bcrt +(\S+)", text) {
        stage.pem(&path).await;
    }
    stage.write("haproxy.cfg", &file).await;
    read_by(
        stage,
        "haproxy",
        "haproxy -c -q -dW -f haproxy.cfg",
        place,
        &file,
    )
    .await;
}

async fn read_by(stage: &mut Stage, program: &str, command: &str, place: &str, file: &str) {
    let there = stage
        .run(&format!("PATH=$PATH:/usr/sbin command -v {program}"))
        .await;
    if there.code != 0 {
        return skipped(&format!(
            "{place} is not read by {program} (Debian: apt-get install {program})"
        ));
    }
    let said = stage.run(&format!("PATH=$PATH:/usr/sbin; {command}")).await;
    assert_eq!(said.code, 0, "{place}: {}\n{file}", said.text);
}
