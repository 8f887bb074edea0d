//! What does a tool say that others test with? It is run where it is installed.

use std::process::Stdio;

use crate::support::*;

const LIMITS: &str = "timeouts: {header: 2s, body: 2s, write: 2s, idle: 2s}, \
     limits: {min_body_rate: 1kB, min_send_rate: 10kB}";

/// How many connections it opens.
const COUNT: f64 = 200.0;

/// Runs it with these options. It must find the site there all the while, and lose every connection, for this reason.
async fn endure(options: &[&str], path: &str, reason: &str) {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site(LIMITS, origin.address())).await;
    let url = format!("http://{}{path}", portcullis.listener("http"));
    let run = tokio::process::Command::new("slowhttptest")
        .args([
            "-c", "200", "-r", "200", "-l", "10", "-i", "1", "-p", "5", "-u", &url,
        ])
        .args(options)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match in_time("slowhttptest's end", run).await {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return skipped("there is no slowhttptest (Debian: apt-get install slowhttptest)");
        }
        Err(error) => panic!("slowhttptest: {error}"),
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("slow HTTP test status"), "{said}");
    assert!(
        !said.contains("NO"),
        "it was not there at some time: {said}"
    );
    // It reads a byte a second of what had come, and so learns late that there is no more.
    let series = format!("portcullis_failures_total{{reason=\"{reason}\"");
    eventually("all are cut off", async || {
        portcullis.metric(&series).await >= COUNT
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_headers() {
    endure(&["-H"], "/", "header_timeout").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies() {
    endure(&["-B", "-s", "8192"], "/upload", "body_too_slow").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers() {
    endure(
        &["-X", "-w", "1", "-y", "1", "-n", "1", "-z", "1"],
        "/bytes/1m",
        "client_too_slow",
    )
    .await;
}
