//! How does a test have a Prometheus of its own?

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use super::text;
use crate::support::*;

/// Whether there is a Prometheus, with its promtool; says so if there is none.
pub fn is_installed() -> bool {
    let installed = Command::new("promtool").arg("--version").output().is_ok()
        && Command::new("prometheus").arg("--version").output().is_ok();
    if !installed {
        skipped("there is no prometheus (Debian: apt-get install prometheus)");
    }
    installed
}

/// A Prometheus with the shipped configuration and rules, but that it looks each second. Dropping it kills it.
pub struct Prometheus {
    process: Child,
    directory: TempDir,
    address: SocketAddr,
}

impl Prometheus {
    /// Scrapes this admin listener.
    pub async fn start(admin: SocketAddr) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let quicker: &[(&str, &[(&str, &str)])] = &[
            (
                "prometheus.yml",
                &[
                    ("scrape_interval: 15s", "scrape_interval: 1s"),
                    ("evaluation_interval: 15s", "evaluation_interval: 1s"),
                    ("127.0.0.1:9901", &admin.to_string()),
                ],
            ),
            ("rules.yml", &[("interval: 2m", "interval: 1s")]),
            ("alerts.yml", &[]),
        ];
        for (file, changes) in quicker {
            let mut text = text(&format!("prometheus/{file}"));
            for (from, to) in *changes {
                assert!(text.contains(from), "{file}: no {from}");
                text = text.replace(from, to);
            }
            fs::write(directory.path().join(file), text).expect("a file");
        }
        let log = fs::File::create(directory.path().join("log")).expect("a file");
        let process = Command::new("prometheus")
            .args([
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--log.level=warn",
            ])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus");
        let prometheus = Self {
            process,
            directory,
            address,
        };
        eventually("Prometheus has scraped", async || {
            let asked = timeout(Duration::from_secs(1), prometheus.ask("query", "query=up"));
            let asked = asked.await.ok().flatten();
            asked.is_some_and(|answer| answer["data"]["result"][0]["value"][1] == "1")
        })
        .await;
        prometheus
    }

    /// What its HTTP API answers to a form; nothing while nobody listens.
    async fn ask(&self, path: &str, form: &str) -> Option<Value> {
        tokio::net::TcpStream::connect(self.address).await.ok()?;
        let asked = request("POST", &format!("/api/v1/{path}"))
            .header("content-type", "application/x-www-form-urlencoded");
        let asked = asked.body(full(form.to_owned())).expect("a request");
        let answer = http1(self.address).await.ask(asked).await;
        serde_json::from_slice(&answer.body).ok()
    }

    /// What values an expression had from this second on: a list for each series.
    ///
    /// # Errors
    ///
    /// It could not be asked for, as it says.
    pub async fn values(&self, expr: &str, from: u64) -> Result<Vec<Vec<f64>>, String> {
        // Steps are whole seconds: what came in the one that runs belongs to the next.
        let to = unix_time() + 1;
        let form = format!("query={}&start={from}&end={to}&step=1", encoded(expr));
        let answer = self.ask("query_range", &form).await.expect("an answer");
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        let result = answer["data"]["result"].as_array().expect("series").iter();
        let value = |pair: &Value| pair[1].as_str().and_then(|text| text.parse().ok());
        let values = |series: &Value| {
            let values = series["values"].as_array().expect("values").iter();
            values
                .filter_map(value)
                .filter(|value: &f64| value.is_finite())
                .collect()
        };
        Ok(result.map(values).collect())
    }

    /// Waits until an expression has a value now.
    pub async fn sees(&self, expr: &str) {
        let form = format!("query={}", encoded(expr));
        eventually(&format!("Prometheus sees {expr}"), async || {
            let answer = self.ask("query", &form).await.expect("an answer");
            answer["data"]["result"]
                .as_array()
                .is_some_and(|series| !series.is_empty())
        })
        .await;
    }

    /// The alerts that are pending or firing.
    pub async fn alerts(&self) -> Vec<Value> {
        let mut client = http1(self.address).await;
        let answer = client.get("/api/v1/alerts").await.json();
        answer["data"]["alerts"].as_array().expect("alerts").clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().expect("a child");
        self.process.wait().expect("a child");
        if std::thread::panicking() {
            let log = fs::read_to_string(self.directory.path().join("log"));
            eprintln!("Prometheus said:\n{}", log.unwrap_or_default());
        }
    }
}

/// Seconds since 1970.
pub fn unix_time() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.expect("after 1970").as_secs()
}

/// As a value in a form.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
