//! Does `portcullis warm` fetch a list through the cache, so many at once, and tell what it found?

use std::net::SocketAddr;
use std::process::Stdio;

use origin::{Origin, Scripted};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::support::*;

/// One plain listener and one route with a cache.
fn cached(origin: &Origin) -> String {
    let endpoint = origin.address().expect("TCP");
    format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\"}}]\n\
         routes: [{{name: all, pool: origin, cache: {{}}}}]\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n"
    )
}

/// Pages that may be kept.
fn pages(origin: &Origin) {
    let page = Scripted::new(200)
        .field("cache-control", "max-age=600")
        .body("x".repeat(1024));
    origin.script("/page/*", [page]);
}

fn page(number: usize) -> String {
    format!("http://shop.example/page/{number}")
}

fn warm(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .arg("warm")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn ended(mut command: Command) -> Said {
    let output = in_time("the command's end", command.output()).await;
    output.expect("the binary").into()
}

async fn warmed(words: &[&str]) -> Said {
    ended(warm(words)).await
}

fn via(at: SocketAddr) -> String {
    at.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_warmed_is_a_hit_for_whoever_comes_next() {
    let origin = origin().await;
    pages(&origin);
    let portcullis = Portcullis::start(&cached(&origin)).await;
    let at = via(portcullis.listener("http"));
    let list = portcullis.directory().join("pages.txt");
    let lines: Vec<String> = (10..40).map(page).collect();
    std::fs::write(&list, format!("# the shop\n\n{}\n", lines.join("\r\n"))).expect("a list");
    let list = list.display().to_string();
    let (one, other) = (page(1), page(2));
    let words = ["--via", &at, &one, "--from", &list, &other];

    let said = warmed(&words).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.text
            .starts_with("32: 0 hits, 32 misses, 0 failed; 32.0 KiB, "),
        "{said:?}"
    );
    assert!(
        said.has_line("32  Cache-Status: fwd=uri-miss; stored"),
        "{said:?}"
    );
    assert_eq!(origin.count("/page/*"), 32);

    let said = warmed(&words).await;
    assert!(
        said.text.starts_with("32: 32 hits, 0 misses, 0 failed; "),
        "{said:?}"
    );
    assert!(said.has_line("32  Cache-Status: hit"), "{said:?}");
    let mut client = http1(portcullis.listener("http")).await;
    let asked = request("GET", "/page/17").header("host", "shop.example");
    let answer = client.ask(asked.body(full("")).expect("a request")).await;
    assert!(
        answer
            .header("cache-status")
            .is_some_and(|said| said.contains("; hit")),
        "{answer:?}"
    );
    assert_eq!(origin.count("/page/*"), 32, "asked once each");
    let hosts = origin.asked("/page/*");
    assert!(hosts.iter().all(|asked| asked.authority == "shop.example"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_are_under_way_than_it_may_have() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&cached(&origin)).await;
    let at = via(portcullis.listener("http"));
    let pages: Vec<String> = (0..9)
        .map(|number| format!("http://a.example/held/{number}"))
        .collect();
    let mut words = vec!["--via", &*at, "--concurrency", "3"];
    words.extend(pages.iter().map(String::as_str));
    let warming = tokio::spawn(ended(warm(&words)));
    for number in 0..9_u64 {
        // The one that was let go makes room for the next.
        let here = (number + 3).min(9);
        let journal = origin.journal();
        let arrived = journal.becomes(PATIENCE, |journal| journal.requests() == here);
        assert!(arrived.await, "{here} requests at the origin");
        origin.release_one(&number.to_string());
    }
    let said = warming.await.expect("no panic");
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(origin.journal().most_in_flight(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_fetched_is_told_and_the_rest_is_fetched_all_the_same() {
    let origin = origin().await;
    pages(&origin);
    origin.script("/torn", [Scripted::new(200).body("half").break_off()]);
    let portcullis = Portcullis::start(&cached(&origin)).await;
    let at = via(portcullis.listener("http"));
    let list = portcullis.directory().join("pages.txt");
    let lines = [
        &*page(1),
        "shop.example/page/2",
        "http://a.example/status/503",
        "http://a.example/torn",
        &page(3),
    ];
    std::fs::write(&list, lines.join("\n")).expect("a list");
    let list = list.display().to_string();
    let said = warmed(&["--via", &at, "--from", &list]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.text.starts_with("5: 0 hits, 2 misses, 3 failed; "),
        "{said:?}"
    );
    for complaint in [
        "shop.example/page/2: write it with `http://` or `https://`",
        "http://a.example/status/503: its status is 503 Service Unavailable",
        "http://a.example/torn: ",
    ] {
        assert!(said.complaint.contains(complaint), "{complaint}: {said:?}");
    }

    let nobody = free_port().to_string();
    let said = warmed(&["--via", &format!("127.0.0.1:{nobody}"), &page(1)]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.complaint.contains("/page/1: 127.0.0.1:"), "{said:?}");
    let said = warmed(&["--from", "/nonexistent/list"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.complaint.contains("/nonexistent/list: "), "{said:?}");
    for wrong in [
        &["shop.example/"][..],
        &[],
        &["--concurrency", "2"],
        &["--concurrency", "0", "http://a/"],
        &["--header", "Host: b", "http://a/"],
    ] {
        assert_eq!(warmed(wrong).await.code, 64, "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_over_https_is_asked_for_by_the_name_of_its_host() {
    let authority = Authority::new();
    let origin = origin().await;
    pages(&origin);
    let endpoint = origin.address().expect("TCP");
    let portcullis = Portcullis::builder(&format!(
        "listeners: [{{name: https, address: \"127.0.0.1:0\", tls: {{certificates: [{{certificate: shop.crt, key: shop.key}}]}}}}]\n\
         routes: [{{name: all, pool: origin, cache: {{}}}}]\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n"
    ))
    .identity("shop", &authority.issue(&["shop.example"]))
    .file("ca.pem", authority.pem())
    .start()
    .await;
    let at = via(portcullis.listener("https"));
    let page = "https://shop.example/page/1";
    let trusting = |words: &[&str]| {
        let mut command = warm(words);
        command.env("SSL_CERT_FILE", portcullis.directory().join("ca.pem"));
        command
    };
    let said = ended(trusting(&["--via", &at, page])).await;
    assert_eq!(said.code, 0, "{said:?}");
    let asked = origin.asked("/page/*");
    assert_eq!((asked.len(), &*asked[0].authority), (1, "shop.example"));
    assert_eq!(asked[0].field("x-forwarded-proto"), "https");
    assert!(
        portcullis
            .logged(|line| line["sni"] == "shop.example")
            .await["cache"]
            == "miss"
    );

    let other = "https://other.example/page/1";
    let said = ended(trusting(&["--via", &at, other])).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.complaint.contains("TLS with other.example: "),
        "{said:?}"
    );
    let said = warmed(&["--insecure", "--via", &at, other]).await;
    assert_eq!(said.code, 0, "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_to_the_host_itself_with_the_fields_it_was_given_and_tells_how_far_it_is() {
    let origin = origin().await;
    pages(&origin);
    let portcullis = Portcullis::start(&cached(&origin)).await;
    let at = portcullis.listener("http");
    let held = format!("http://{at}/held/last");
    let mut child = warm(&[
        "--from",
        "-",
        "--header",
        "Accept-Encoding: br",
        "--header",
        "user-agent: a",
    ])
    .stdin(Stdio::piped())
    .spawn()
    .expect("the binary");
    let mut list = child.stdin.take().expect("piped");
    let lines = format!("http://{at}/page/1?a=%20b\n{held}\n");
    list.write_all(lines.as_bytes()).await.expect("a list");
    let mut told = BufReader::new(child.stderr.take().expect("piped")).lines();
    // A line a second, because that is no terminal.
    eventually("it tells of the first page", async || {
        let line = told.next_line().await.expect("text").expect("a line");
        line.starts_with("1: 0 hits, 1 misses, 0 failed; 1.0 KiB, ")
    })
    .await;
    drop(list);
    eventually("it knows how many there are", async || {
        let line = told.next_line().await.expect("text").expect("a line");
        line.starts_with("1/2: ")
    })
    .await;
    origin.release_one("last");
    let output = in_time("the command's end", child.wait_with_output()).await;
    let said = Said::from(output.expect("the binary"));
    assert_eq!(said.code, 0, "{said:?}");
    let asked = &origin.asked("/page/*")[0];
    assert_eq!(asked.target, "/page/1?a=%20b");
    assert_eq!(
        (asked.field("accept-encoding"), asked.field("user-agent")),
        ("br", "a")
    );
    assert_eq!(asked.authority, at.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_closed_meanwhile_is_no_failure() {
    let origin = origin().await;
    pages(&origin);
    let endpoint = origin.address().expect("TCP");
    // A listener that ends each connection after two requests.
    let portcullis = Portcullis::start(&format!(
        "listeners: [{{name: http, address: \"127.0.0.1:0\", limits: {{requests: 2}}}}]\n\
         routes: [{{name: all, pool: origin, cache: {{}}}}]\n\
         pools: [{{name: origin, endpoints: [\"{endpoint}\"]}}]\n"
    ))
    .await;
    let at = via(portcullis.listener("http"));
    let pages: Vec<String> = (0..20).map(page).collect();
    let mut words = vec!["--via", &*at, "--concurrency", "2"];
    words.extend(pages.iter().map(String::as_str));
    let said = warmed(&words).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.text.starts_with("20: 0 hits, 20 misses, 0 failed; "),
        "{said:?}"
    );
}
