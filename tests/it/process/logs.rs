//! What do the access log and the process log look like?

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::*;

#[tokio::test]
async fn a_line_of_json_has_every_fact_of_its_request() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let portcullis = Portcullis::builder(&site("", origin.address()))
            .carrier(carrier)
            .start()
            .await;
        let asked = request("GET", "/bytes/1000?a=%22b%22")
            .header("host", "a.test:81")
            .header("user-agent", "a \"test\"\\")
            .header("referer", "http://b.test/")
            .body(full(""));
        let mut client = http1(portcullis.listener("http")).await;
        assert_eq!(client.ask(asked.expect("a request")).await.status, 200);
        let line = portcullis.logged(|_| true).await;
        let endpoint = origin.address().expect("TCP").to_string();
        for (field, value) in [
            ("listener", Value::from("http")),
            ("route", "all".into()),
            ("pool", "origin".into()),
            ("endpoint", endpoint.into()),
            ("client", "127.0.0.1".into()),
            ("method", "GET".into()),
            ("scheme", "http".into()),
            ("host", "a.test:81".into()),
            ("target", "/bytes/1000?a=%22b%22".into()),
            ("protocol", "HTTP/1.1".into()),
            ("status", 200.into()),
            ("bytes_received", 0.into()),
            ("bytes_sent", 1000.into()),
            ("attempts", 1.into()),
            ("upstream_status", 200.into()),
            ("user_agent", "a \"test\"\\".into()),
            ("referer", "http://b.test/".into()),
        ] {
            assert_eq!(line[field], value, "{field}: {line}");
        }
        for field in ["duration", "connect", "first_byte"] {
            assert!(
                line[field]
                    .as_f64()
                    .is_some_and(|seconds| (0.0..60.0).contains(&seconds)),
                "{field}: {line}"
            );
        }
        for field in ["reason", "phase", "tls_version", "sni"] {
            assert_eq!(line.get(field), None, "{line}");
        }
        let time = line["time"].as_str().expect("a time");
        assert!(
            time.len() == 24 && time.ends_with('Z') && &time[10..11] == "T",
            "{time}"
        );
    })
    .await;
}

#[tokio::test]
async fn no_byte_of_a_request_can_forge_a_line_of_the_log() {
    let origin = origin().await;
    for format in ["json", "combined"] {
        let yaml = site("", origin.address())
            + &format!("access_log: {{format: {format}, path: access.log}}\n");
        let portcullis = Portcullis::start(&yaml).await;
        let asked = b"GET /a\"b\xff?\"x HTTP/1.1\r\nHost: a.test\r\nUser-Agent: \"\xfe\x1b[31m\t\" {\"a\":1}\r\nReferer: -\" 200\r\n\r\n";
        let response = Raw::sent(portcullis.listener("http"), asked)
            .await
            .response()
            .await;
        let text = logged_text(&portcullis).await;
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        if format == "json" {
            let line: Value = serde_json::from_str(&text).expect("a line of JSON");
            assert_eq!(line["status"], response.status, "{line}");
        }
    }
}

/// The access log, once there is something in it.
async fn logged_text(portcullis: &Portcullis) -> String {
    let path = portcullis.directory().join("access.log");
    eventually_some("a line in the access log", async || {
        std::fs::read_to_string(&path)
            .ok()
            .filter(|text| text.ends_with('\n'))
    })
    .await
}

#[tokio::test]
async fn the_combined_format_is_that_of_nginx_and_apache() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "access_log: {format: combined, path: access.log}\n";
    let portcullis = Portcullis::start(&yaml).await;
    let asked = request("GET", "/bytes/12?x")
        .header("user-agent", "curl/8")
        .header("referer", "http://b.test/");
    let mut client = http1(portcullis.listener("http")).await;
    client.ask(asked.body(full("")).expect("a request")).await;
    let text = logged_text(&portcullis).await;
    let (before, after) = text.trim_end().split_once("] ").expect("a time");
    assert!(before.starts_with("127.0.0.1 - - ["), "{text}");
    assert_eq!(
        before.len(),
        "127.0.0.1 - - [21/Nov/2026:03:09:39 +0000".len(),
        "{text}"
    );
    assert_eq!(
        after,
        "\"GET /bytes/12?x HTTP/1.1\" 200 12 \"http://b.test/\" \"curl/8\""
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_access_log_is_not_for_everyone_to_read_and_is_continued() {
    use std::os::unix::fs::PermissionsExt;
    let origin = origin().await;
    let builder = Portcullis::builder(&site("", origin.address()));
    let portcullis = builder.start().await;
    http1(portcullis.listener("http")).await.get("/").await;
    portcullis.logged(|_| true).await;
    let mode = std::fs::metadata(portcullis.directory().join("access.log"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");

    let earlier =
        Portcullis::builder(&site("", origin.address())).file("access.log", "{\"earlier\":true}\n");
    let portcullis = earlier.start().await;
    http1(portcullis.listener("http")).await.get("/").await;
    portcullis.logged(|line| line["status"] == 200).await;
    assert_eq!(portcullis.access_log()[0]["earlier"], true);
}

/// A process of which both outputs are kept.
struct Spoken(Child);

impl Spoken {
    fn start(directory: &std::path::Path, yaml: &str) -> Self {
        std::fs::write(directory.join("p.yaml"), yaml).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command
            .args(["run", "-c", "p.yaml"])
            .current_dir(directory)
            .env_remove("RUST_LOG");
        let file = |name: &str| std::fs::File::create(directory.join(name)).expect("a file");
        Self(
            command
                .stdin(Stdio::null())
                .stdout(file("out"))
                .stderr(file("err"))
                .spawn()
                .expect("the binary"),
        )
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        // One that has ended already is no concern here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(path: &std::path::Path) -> String {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|mut file| file.read_to_string(&mut text))
        .expect("a file");
    text
}

#[tokio::test]
async fn the_access_log_goes_to_stdout_and_the_process_log_as_json_to_stderr() {
    let directory = tempfile::tempdir().expect("a directory");
    let origin = origin().await;
    let yaml =
        site("", origin.address()) + "admin: {address: 'off'}\nlog: {format: json, level: info}\n";
    let _process = Spoken::start(directory.path(), &yaml);
    let (out, err) = (directory.path().join("out"), directory.path().join("err"));
    let lines = |text: String| -> Vec<Value> {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    };
    let address: SocketAddr = eventually_some("where it listens", async || {
        let said = lines(text(&err));
        assert!(said.iter().all(|line| {
            ["time", "level", "target", "message"]
                .iter()
                .all(|key| line[*key].is_string())
        }));
        said.iter()
            .any(|line| line["message"] == "ready")
            .then_some(())?;
        let listening = said.iter().find_map(|line| {
            line["message"]
                .as_str()?
                .strip_prefix("listener http is listening on ")
                .map(str::to_owned)
        });
        listening?.parse().ok()
    })
    .await;
    assert_eq!(http1(address).await.get("/echo").await.status, 200);
    eventually("a line on stdout", async || {
        lines(text(&out))
            .iter()
            .any(|line| line["target"] == "/echo")
    })
    .await;
}

#[tokio::test]
async fn with_the_access_log_off_nothing_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let origin = origin().await;
    let yaml =
        site("", origin.address()) + "admin: {address: 'off'}\naccess_log: {format: 'off'}\n";
    let mut process = Spoken::start(directory.path(), &yaml);
    let err = directory.path().join("err");
    let address: SocketAddr = eventually_some("where it listens", async || {
        let said = text(&err);
        said.contains(": ready").then_some(())?;
        said.lines()
            .find_map(|line| line.split_once("http is listening on ")?.1.parse().ok())
    })
    .await;
    assert_eq!(http1(address).await.get("/echo").await.status, 200);
    let told = Command::new("kill")
        .arg(process.0.id().to_string())
        .status()
        .expect("kill");
    assert!(told.success());
    eventually("it ends", async || {
        process.0.try_wait().expect("a child").is_some()
    })
    .await;
    assert_eq!(text(&directory.path().join("out")), "");
}
