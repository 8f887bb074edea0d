//! May the new process have other listeners, threads and files than the old one?

use std::net::SocketAddr;
use std::path::Path;

use rustls::ALL_VERSIONS;
use tokio::net::TcpStream;

use super::connecting::Connecting;
use crate::support::*;

/// A configuration with these listeners (lines of YAML) and this many threads.
fn edge(listeners: &[&str], endpoint: Option<SocketAddr>, threads: u8) -> String {
    let site = site("", endpoint);
    let (_, rest) = site.split_once('\n').expect("a line of listeners");
    let listeners = listeners.join("\n- ");
    format!("listeners:\n- {listeners}\n{rest}runtime: {{threads: {threads}}}\n")
}

const HTTP: &str = "{name: http, address: '127.0.0.1:0'}";
const UNIX: &str = "{name: local, address: 'unix:@dir@/edge.sock'}";

fn secure(certificate: &str) -> String {
    format!(
        "{{name: secure, address: '127.0.0.1:0', \
         tls: {{certificates: [{{certificate: {certificate}.crt, key: {certificate}.key}}]}}}}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_may_come_or_go_or_get_another_certificate() {
    let (authority, origin) = (Authority::new(), origin().await);
    let (a, b) = (authority.issue(&["a.test"]), authority.issue(&["a.test"]));
    let gone = "{name: gone, address: '127.0.0.1:0'}";
    let added = "{name: added, address: '127.0.0.1:0'}";
    let before = edge(&[HTTP, gone, &secure("a")], origin.address(), 2);
    let after = edge(&[HTTP, added, &secure("b")], origin.address(), 2);
    let mut portcullis = Portcullis::builder(&before)
        .identity("a", &a)
        .identity("b", &b)
        .start()
        .await;
    let places = ["http", "gone", "secure", "admin"].map(|name| portcullis.listener(name));
    let [http, gone, secure, admin] = places;
    let config = client_config(&authority.roots(), ALL_VERSIONS, &["http/1.1"]).into();
    let shown = async || {
        let stream = tls(secure, "a.test", &config).await.expect("a handshake");
        let shown = stream.get_ref().1.peer_certificates();
        shown.expect("a certificate")[0].clone()
    };
    assert_eq!(shown().await, a.der());
    let mut guest = http1(gone).await;
    assert_eq!(guest.get("/").await.status, 200);
    let mut raw = Raw::sent(gone, "GET /held-body HTTP/1.1\r\nHost: a\r\n\r\n").await;
    raw.until(b"\r\n\r\n").await;

    portcullis.configure_as("new.yaml", &after);
    let mut former = portcullis
        .upgrade(&["--of", "portcullis.yaml", "-c", "new.yaml"])
        .await;
    for (name, address) in [("http", http), ("secure", secure), ("admin", admin)] {
        assert_eq!(portcullis.listener(name), address, "{name}");
    }
    assert_eq!(http1(http).await.get("/").await.status, 200);
    assert_eq!(shown().await, b.der());
    let mut new = http1(portcullis.listener("added")).await;
    assert_eq!(new.get("/").await.status, 200);
    // Who is in goes on; who comes later finds the door closed.
    eventually("nobody gets in", async || {
        TcpStream::connect(gone).await.is_err()
    })
    .await;
    assert_eq!(guest.get("/").await.header("connection"), Some("close"));
    origin.release();
    raw.until(b"\r\n0\r\n\r\n").await;
    assert_eq!(former.end().await.code(), Some(0));

    // The next one goes by the new configuration.
    let mut former = portcullis.upgrade_by_signal().await;
    assert_eq!(former.end().await.code(), Some(0));
    assert_eq!(shown().await, b.der());
    assert!(TcpStream::connect(gone).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_threads_may_change_and_nobody_waits_for_a_thread_that_is_gone() {
    let origin = origin().await;
    let listeners = [HTTP, UNIX];
    let mut portcullis = Portcullis::start(&edge(&listeners, origin.address(), 2)).await;
    let (address, admin) = (portcullis.listener("http"), portcullis.admin());
    let file = portcullis.directory().join("edge.sock");
    let clients = Connecting::start(address, 8);
    for threads in [1, 3, 2] {
        clients.goes_on().await;
        portcullis.configure(&edge(&listeners, origin.address(), threads));
        let mut former = portcullis.upgrade(&[]).await;
        assert_eq!(unix1(&file).await.get("/").await.status, 200);
        assert_eq!(former.end().await.code(), Some(0));
        assert_eq!(workers(portcullis.pid()), usize::from(threads));
        assert_eq!(
            (portcullis.listener("http"), portcullis.admin()),
            (address, admin)
        );
        assert_eq!(unix1(&file).await.get("/").await.status, 200);
    }
    clients.goes_on().await;
    clients.stop().await;
    assert_eq!(portcullis.stop().await.code(), Some(0));
    assert!(!file.exists(), "the last one removes it");
}

/// How many worker threads a process has.
fn workers(pid: u32) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    let names = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.starts_with("worker-")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_may_be_more_listeners_than_one_message_has_room_for() {
    const COUNT: usize = 45;
    let origin = origin().await;
    let name =
        |number| format!("a-listener-with-a-name-that-is-rather-long-and-the-number-{number}");
    let lines: Vec<String> = (0..COUNT)
        .map(|number| format!("{{name: {}, address: '127.0.0.1:0'}}", name(number)))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut portcullis = Portcullis::start(&edge(&lines, origin.address(), 3)).await;
    let addresses: Vec<_> = (0..COUNT)
        .map(|number| portcullis.listener(&name(number)))
        .collect();
    for _ in 0..2 {
        let mut former = portcullis.upgrade(&[]).await;
        assert_eq!(former.end().await.code(), Some(0));
        for (number, address) in addresses.iter().enumerate() {
            assert_eq!(portcullis.listener(&name(number)), *address);
            assert_eq!(http1(*address).await.get("/").await.status, 200, "{number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_may_get_another_name_while_clients_connect() {
    let origin = origin().await;
    let port = free_port();
    let named = |name| {
        edge(
            &[&format!("{{name: {name}, address: '127.0.0.1:{port}'}}")],
            origin.address(),
            2,
        )
    };
    let mut portcullis = Portcullis::start(&named("one")).await;
    let address = portcullis.listener("one");
    let clients = Connecting::start(address, 8);
    clients.goes_on().await;
    portcullis.configure(&named("other"));
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(portcullis.listener("other"), address);
    assert_eq!(former.end().await.code(), Some(0));
    assert_eq!(http1(address).await.get("/").await.status, 200);
    clients.goes_on().await;
    clients.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unix_sockets_that_nobody_has_any_more_leave_no_file() {
    let origin = origin().await;
    let admin = |place| format!("admin: {{address: '{place}'}}\n");
    let before = edge(&[HTTP, UNIX], origin.address(), 2) + &admin("unix:@dir@/admin.sock");
    let after = edge(&[HTTP], origin.address(), 2) + &admin("127.0.0.1:0");
    let mut portcullis = Portcullis::start(&before).await;
    let files = ["edge.sock", "admin.sock"].map(|name| portcullis.directory().join(name));
    for file in &files {
        assert!(
            unix1(file).await.get("/readyz").await.status == 200,
            "{file:?}"
        );
    }
    // Kept, then given up.
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
    for file in &files {
        assert!(
            unix1(file).await.get("/readyz").await.status == 200,
            "{file:?}"
        );
    }
    portcullis.configure(&after);
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
    for file in &files {
        assert!(!file.exists(), "{file:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_of_the_binary_may_be_replaced_before() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let binary = portcullis.directory().join("portcullis");
    put_binary(&binary);
    let words = ["--binary", binary.to_str().expect("a path")];
    let mut former = portcullis.upgrade(&words).await;
    assert_eq!(former.end().await.code(), Some(0));
    let runs = |pid| std::fs::read_link(format!("/proc/{pid}/exe")).expect("a process");
    assert_eq!(runs(portcullis.pid()), binary);
    std::fs::remove_file(&binary).expect("removed");
    put_binary(&binary);
    assert_ne!(
        runs(portcullis.pid()),
        binary,
        "it runs a file that is gone"
    );
    let mut former = portcullis.upgrade_by_signal().await;
    assert_eq!(former.end().await.code(), Some(0));
    assert_eq!(runs(portcullis.pid()), binary);
}

fn put_binary(place: &Path) {
    const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
    // Another file system takes a copy.
    std::fs::hard_link(BINARY, place)
        .or_else(|_| std::fs::copy(BINARY, place).map(drop))
        .expect("a binary");
}
