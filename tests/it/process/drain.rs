//! What does `portcullis drain` do?

use std::process::{Output, Stdio};

use crate::support::*;

/// Runs a command such as `&["drain"]` on its configuration.
async fn run(portcullis: &Portcullis, words: &[&str]) -> Output {
    let directory = portcullis.directory();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(words)
        .args(["-c", "portcullis.yaml"])
        .current_dir(directory)
        .env("RUNTIME_DIRECTORY", directory.join("run"))
        .stdin(Stdio::null())
        .output();
    in_time("a command's end", output)
        .await
        .expect("the binary")
}

/// Runs a command that succeeds, and gives what it says.
async fn said(portcullis: &Portcullis, words: &[&str]) -> String {
    let output = run(portcullis, words).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The status and text of `/readyz`.
async fn readyz(portcullis: &Portcullis) -> (u16, String) {
    let mut raw = Raw::connect(portcullis.admin()).await;
    let response = raw.get("/readyz").await;
    (response.status, response.text())
}

async fn post(portcullis: &Portcullis, path: &str) -> RawAnswer {
    let request = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    let response = Raw::sent(portcullis.admin(), request)
        .await
        .response()
        .await;
    (response.status, response.text())
}

type RawAnswer = (u16, String);

fn drained() -> RawAnswer {
    (503, "drained\n".to_owned())
}

fn ready() -> RawAnswer {
    (200, "ready\n".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_process_is_not_ready_and_serves_on() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let address = portcullis.listener("http");
    let mut kept = Raw::connect(address).await;
    assert!(!kept.get("/bytes/1").await.closes());
    assert_eq!(readyz(&portcullis).await, ready());
    assert!(
        said(&portcullis, &["drain"])
            .await
            .contains("/readyz fails")
    );
    assert_eq!(readyz(&portcullis).await, drained());
    // Nothing else has changed: not for connections that were there, nor for new ones.
    assert!(!kept.get("/bytes/2").await.closes());
    let mut new = Raw::connect(address).await;
    for _ in 0..2 {
        assert!(!new.get("/bytes/3").await.closes());
    }
    assert_eq!(http2(address).await.get("/bytes/4").await.body.len(), 4);
    let mut admin = Raw::connect(portcullis.admin()).await;
    assert_eq!(admin.get("/livez").await.status, 200);
    // Said again it is as it was.
    said(&portcullis, &["drain"]).await;
    assert_eq!(readyz(&portcullis).await, drained());
    assert_eq!(
        said(&portcullis, &["drain", "--off"]).await,
        "not drained\n"
    );
    assert_eq!(readyz(&portcullis).await, ready());
    said(&portcullis, &["drain"]).await;
    assert_eq!(portcullis.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_listener_drains_as_well_but_not_for_a_browser_and_not_by_get() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let at = portcullis.admin().to_string();
    assert_eq!(post(&portcullis, "/drain").await.0, 200);
    assert_eq!(readyz(&portcullis).await, drained());
    assert_eq!(post(&portcullis, "/undrain").await.0, 200);
    assert_eq!(readyz(&portcullis).await, ready());
    said(&portcullis, &["drain", "--at", &at]).await;
    assert_eq!(readyz(&portcullis).await, drained());
    said(&portcullis, &["drain", "--off", "--at", &at]).await;
    let mut raw = Raw::connect(portcullis.admin()).await;
    let response = raw.get("/drain").await;
    assert_eq!(
        (response.status, response.header("allow")),
        (405, Some("POST"))
    );
    raw.send(
        "POST /drain HTTP/1.1\r\nHost: a\r\nOrigin: http://b.test\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(raw.response().await.status, 403);
    assert_eq!(readyz(&portcullis).await, ready());
    // Who asked is in the log.
    for line in ["drained by ", "not drained any more by "] {
        eventually(line, async || {
            portcullis.stderr().matches(line).count() == 2
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_does_not_undo_a_drain() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    said(&portcullis, &["drain"]).await;
    assert!(said(&portcullis, &["reload"]).await.contains("unchanged"));
    assert_eq!(readyz(&portcullis).await, drained());
    let path = portcullis.directory().join("portcullis.yaml");
    let yaml = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(&path, yaml.replace("name: all", "name: every")).expect("a file");
    assert!(said(&portcullis, &["reload"]).await.contains("applied"));
    assert_eq!(readyz(&portcullis).await, drained());
    std::fs::write(&path, "listeners: nonsense\n").expect("a file");
    assert_eq!(run(&portcullis, &["reload"]).await.status.code(), Some(1));
    assert_eq!(readyz(&portcullis).await, drained());
    said(&portcullis, &["drain", "--off"]).await;
    assert_eq!(readyz(&portcullis).await, ready());
}

#[tokio::test]
async fn without_a_running_process_there_is_a_message_and_exit_code_3() {
    let yaml = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\n\
                routes: [{name: hello, respond: {body: hello}}]\n";
    let mut portcullis = Portcullis::start(yaml).await;
    let at = portcullis.admin().to_string();
    assert_eq!(portcullis.stop().await.code(), Some(0));
    for words in [&["drain"][..], &["drain", "--off"], &["drain", "--at", &at]] {
        let output = run(&portcullis, words).await;
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{words:?}: {complaint}");
        assert!(
            complaint.starts_with("no running Portcullis was reached: ")
                && complaint.lines().count() == 1,
            "{words:?}: {complaint}"
        );
    }
}
