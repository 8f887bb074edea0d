//! Can logs be changed by a reload?

use serde_json::Value;

use super::*;

/// One route, and this about logs.
fn with(more: &str) -> String {
    config(&[HTTP], &[&says("hello", &[])], &[]) + more
}

/// The lines of a file that have come so far.
fn lines(portcullis: &Portcullis, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(portcullis.directory().join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

async fn has_lines(portcullis: &Portcullis, name: &str, count: usize) -> Vec<String> {
    eventually(&format!("{count} lines in {name}"), async || {
        lines(portcullis, name).len() == count
    })
    .await;
    lines(portcullis, name)
}

#[tokio::test]
async fn the_access_log_can_move_change_its_shape_stop_and_begin_again() {
    let portcullis = Portcullis::start(&with("access_log: {path: a.log}\n")).await;
    let mut client = http1(portcullis.listener("http")).await;
    let mut ask = async |path: &str| assert_eq!(client.get(path).await.status, 200);
    ask("/in-a").await;
    portcullis
        .apply(&with("access_log: {path: b.log, format: combined}\n"))
        .await;
    ask("/in-b").await;
    let a = has_lines(&portcullis, "a.log", 1).await;
    let line: Value = serde_json::from_str(&a[0]).expect("JSON");
    assert_eq!(line["target"], "/in-a");
    let b = has_lines(&portcullis, "b.log", 1).await;
    assert!(b[0].contains("\"GET /in-b HTTP/1.1\" 200"), "{b:?}");
    portcullis
        .apply(&with("access_log: {path: b.log, format: json}\n"))
        .await;
    ask("/in-b-too").await;
    let b = has_lines(&portcullis, "b.log", 2).await;
    assert!(b[1].starts_with('{'), "{b:?}");
    let is_closed = async |name: &str, count: usize| {
        eventually("its file is closed", async || {
            let files = portcullis.descriptors();
            let mut open = files.iter().filter(|(file, _)| file.ends_with(name));
            open.next().map_or(0, |(_, count)| *count) == count
        })
        .await;
    };
    is_closed("a.log", 0).await;
    is_closed("b.log", 1).await;
    let descriptors = portcullis.descriptors();
    portcullis
        .apply(&with("access_log: {path: b.log, format: off}\n"))
        .await;
    ask("/nowhere").await;
    eventually("its file is closed", async || {
        portcullis
            .descriptors()
            .keys()
            .all(|file| !file.ends_with("b.log"))
    })
    .await;
    portcullis
        .apply(&with("access_log: {path: b.log, format: json}\n"))
        .await;
    ask("/in-b-again").await;
    let b = has_lines(&portcullis, "b.log", 3).await;
    assert!(b[2].contains("/in-b-again"), "{b:?}");
    portcullis.has_descriptors(&descriptors).await;
    let written = "portcullis_access_log_lines_total{result=\"written\"}";
    eventually("all are counted", async || {
        portcullis.metric(written).await == 4.0
    })
    .await;
}

#[tokio::test]
async fn a_request_that_began_before_the_change_is_in_the_old_log() {
    let origin = origin().await;
    let yaml = |log: &str| {
        config(
            &[HTTP],
            &[&to("origin")],
            &[&pool("origin", origin.address())],
        ) + &format!("access_log: {{path: {log}}}\n")
    };
    let portcullis = Portcullis::start(&yaml("a.log")).await;
    let address = portcullis.listener("http");
    let running = tokio::spawn(async move { http1(address).await.get("/held").await });
    assert!(
        origin
            .journal()
            .becomes(PATIENCE, |journal| journal.in_flight() == 1)
            .await
    );
    portcullis.apply(&yaml("b.log")).await;
    origin.release();
    running.await.expect("an answer");
    let a = has_lines(&portcullis, "a.log", 1).await;
    assert!(a[0].contains("/held"), "{a:?}");
    eventually("the old file is closed", async || {
        portcullis
            .descriptors()
            .keys()
            .all(|file| !file.ends_with("a.log"))
    })
    .await;
    assert!(lines(&portcullis, "b.log").is_empty());
}

#[tokio::test]
async fn sigusr1_opens_the_new_log_anew() {
    let portcullis = Portcullis::start(&with("access_log: {path: a.log}\n")).await;
    portcullis.apply(&with("access_log: {path: b.log}\n")).await;
    let mut client = http1(portcullis.listener("http")).await;
    client.get("/one").await;
    has_lines(&portcullis, "b.log", 1).await;
    let path = |name: &str| portcullis.directory().join(name);
    std::fs::rename(path("b.log"), path("b.log.1")).expect("renamed");
    portcullis.signal("USR1");
    eventually("a new file", async || path("b.log").exists()).await;
    client.get("/two").await;
    let new = has_lines(&portcullis, "b.log", 1).await;
    assert!(new[0].contains("/two"), "{new:?}");
    assert_eq!(lines(&portcullis, "b.log.1").len(), 1);
}

#[tokio::test]
async fn sigusr1_opens_the_log_of_a_former_generation_anew_as_well() {
    let origin = origin().await;
    let yaml = |fields: &str| {
        let pool = pool("origin", origin.address());
        let log = format!("access_log: {{path: a.log, fields: [{fields}]}}\n");
        config(&[HTTP], &[&to("origin")], &[&pool]) + &log
    };
    let portcullis = Portcullis::start(&yaml("target")).await;
    let address = portcullis.listener("http");
    let running = tokio::spawn(async move { http1(address).await.get("/held").await });
    let journal = origin.journal();
    assert!(journal.becomes(PATIENCE, |one| one.in_flight() == 1).await);
    portcullis.apply(&yaml("target, status")).await;
    let path = |name: &str| portcullis.directory().join(name);
    std::fs::rename(path("a.log"), path("a.log.1")).expect("renamed");
    portcullis.signal("USR1");
    eventually("nobody has the old file", async || {
        let files = portcullis.descriptors();
        files.keys().all(|file| !file.ends_with("a.log.1"))
    })
    .await;
    origin.release();
    running.await.expect("an answer");
    let line = has_lines(&portcullis, "a.log", 1).await;
    assert_eq!(line[0], r#"{"target":"/held"}"#);
    assert!(lines(&portcullis, "a.log.1").is_empty());
}

#[tokio::test]
async fn a_rejected_reload_leaves_the_log_where_it_is() {
    let portcullis = Portcullis::start(&with("access_log: {path: a.log}\n")).await;
    let mut client = http1(portcullis.listener("http")).await;
    client.get("/one").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let admin = format!("admin: {{address: \"{address}\"}}\naccess_log: {{path: b.log}}\n");
    portcullis.rejected(&with(&admin)).await;
    // A connection from before and one from after.
    client.get("/two").await;
    http1(portcullis.listener("http")).await.get("/three").await;
    let a = has_lines(&portcullis, "a.log", 3).await;
    for path in ["/two", "/three"] {
        assert!(a.iter().any(|line| line.contains(path)), "{path}: {a:?}");
    }
    assert!(lines(&portcullis, "b.log").is_empty());
}

#[tokio::test]
async fn the_process_log_changes_level_and_shape() {
    let portcullis = Portcullis::start(&with("")).await;
    let said = || {
        portcullis
            .stderr()
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    portcullis.apply(&with("log: {format: json}\n")).await;
    let json = |text: &str| {
        said().iter().any(|line| {
            let record = serde_json::from_str::<Value>(line).unwrap_or_default();
            record["message"]
                .as_str()
                .is_some_and(|message| message.contains(text))
        })
    };
    let line = "log: changed: format text -> json";
    eventually("a line of JSON", async || json(line)).await;
    // Nothing but errors: what is applied is not told, what is rejected is.
    portcullis
        .apply(&with("log: {format: json, level: error}\n"))
        .await;
    portcullis
        .apply(&with(
            "log: {format: json, level: error}\nforwarding: {via: false}\n",
        ))
        .await;
    portcullis.rejected("nonsense: 1\n").await;
    eventually("an error", async || json("portcullis.yaml:1:1: error: ")).await;
    assert!(!json("applied: generation 4"), "{:?}", said());
    portcullis
        .apply(&with("log: {format: text, level: debug}\n"))
        .await;
    eventually("a line of text", async || {
        let said = said();
        let mut lines = said.iter();
        lines.any(|line| !line.starts_with('{') && line.contains("applied: generation 5"))
    })
    .await;
}
