//! Is a socket that systemd has opened used as if it were the process's own, and left to systemd at the end?

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::support::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A listener at this address that says hello, with this many workers.
fn hello(address: &str, threads: usize) -> String {
    format!(
        "listeners: [{{name: http, address: \"{address}\"}}]\n\
         routes: [{{name: hello, respond: {{body: hello}}}}]\n\
         runtime: {{threads: {threads}}}\n"
    )
}

/// A socket that stays open, whatever becomes of the process.
fn opened() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

fn copy(socket: &TcpListener) -> TcpListener {
    socket.try_clone().expect("a descriptor")
}

async fn is_answered(mut client: Raw) {
    assert_eq!(client.response().await.text(), "hello");
}

#[tokio::test]
async fn who_connects_before_the_start_or_between_two_processes_is_answered() {
    let (socket, address) = opened();
    let yaml = hello(&address.to_string(), 3);
    let early = Raw::sent(address, GET).await;
    let first = Portcullis::builder(&yaml).passes(copy(&socket));
    let mut first = first.start().await;
    first
        .says(&format!("socket passed: {address} is taken"))
        .await;
    is_answered(early).await;
    // More than there are workers: each of them has the socket.
    for _ in 0..20 {
        is_answered(Raw::sent(address, GET).await).await;
    }
    assert_eq!(first.stop().await.code(), Some(0));
    let between = Raw::sent(address, GET).await;
    let mut second = Portcullis::builder(&yaml)
        .passes(copy(&socket))
        .start()
        .await;
    is_answered(between).await;
    assert_eq!(second.stop().await.code(), Some(0));
    // What a process that ends does to its own sockets so that nobody new begins is not done to this one.
    drop(Raw::connect(address).await);
}

#[tokio::test]
async fn an_upgrade_hands_it_over_and_it_is_still_not_the_process_s_own() {
    let (socket, address) = opened();
    let portcullis = Portcullis::builder(&hello(&address.to_string(), 1)).passes(copy(&socket));
    let mut portcullis = portcullis.start().await;
    // Another worker has no socket of its own to bind: this one can't be shared in that way.
    portcullis.configure(&hello(&address.to_string(), 4));
    for _ in 0..2 {
        let mut former = portcullis.upgrade(&[]).await;
        assert_eq!(former.end().await.code(), Some(0));
        for _ in 0..20 {
            is_answered(Raw::sent(address, GET).await).await;
        }
    }
    let complaint = "socket passed: ";
    assert_eq!(
        portcullis.stderr().matches(complaint).count(),
        1,
        "the first one's"
    );
    assert_eq!(portcullis.stop().await.code(), Some(0));
    let waits = Raw::sent(address, GET).await;
    let last = Portcullis::builder(&hello(&address.to_string(), 1)).passes(socket);
    let _last = last.start().await;
    is_answered(waits).await;
}

#[tokio::test]
async fn the_file_of_a_unix_socket_stays() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("http");
    let socket = UnixListener::bind(&path).expect("a socket");
    let inode = || std::fs::metadata(&path).expect("a file").ino();
    let before = inode();
    let yaml = hello(&format!("unix:{}", path.display()), 2);
    let builder = Portcullis::builder(&yaml).passes(socket.try_clone().expect("a descriptor"));
    let mut portcullis = builder.start().await;
    for _ in 0..5 {
        assert_eq!(unix1(&path).await.get("/").await.text(), "hello");
    }
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
    assert_eq!(unix1(&path).await.get("/").await.text(), "hello");
    assert_eq!(portcullis.stop().await.code(), Some(0));
    assert_eq!(inode(), before);
}

#[tokio::test]
async fn what_no_listener_wants_is_named_and_closed() {
    let (socket, address) = opened();
    let portcullis = Portcullis::builder(&hello("127.0.0.1:0", 2)).passes(socket);
    let portcullis = portcullis.start().await;
    let said =
        format!("socket passed: `web` at {address}: no listener has this address; it is closed");
    assert!(
        portcullis.stderr().contains(&said),
        "{}",
        portcullis.stderr()
    );
    eventually("nobody listens there", async || {
        tokio::net::TcpStream::connect(address).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn a_datagram_socket_is_closed_with_a_word() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    let portcullis = Portcullis::builder(&hello("127.0.0.1:0", 1)).passes(socket);
    let portcullis = portcullis.start().await;
    let said = "socket passed: `web`: neither a TCP nor a Unix stream socket; it is closed";
    assert!(
        portcullis.stderr().contains(said),
        "{}",
        portcullis.stderr()
    );
    // A command that another test has just forked may hold it for a moment.
    eventually("it is closed", async || {
        std::net::UdpSocket::bind(address).is_ok()
    })
    .await;
}

#[tokio::test]
async fn what_was_passed_to_another_process_is_none_of_its_business() {
    let builder = Portcullis::builder(&hello("127.0.0.1:0", 1));
    let builder = builder.env("LISTEN_PID", "1").env("LISTEN_FDS", "5");
    let portcullis = builder.start().await;
    let address = portcullis.listener("http");
    is_answered(Raw::sent(address, GET).await).await;
    assert!(!portcullis.stderr().contains("socket passed"));
}

#[tokio::test]
async fn the_admin_listener_takes_its_socket_as_well() {
    let (socket, address) = opened();
    let yaml = hello("127.0.0.1:0", 1) + &format!("admin: {{address: \"{address}\"}}\n");
    let mut portcullis = Portcullis::builder(&yaml)
        .passes(copy(&socket))
        .start()
        .await;
    assert_eq!(Raw::connect(address).await.get("/readyz").await.status, 200);
    assert_eq!(portcullis.stop().await.code(), Some(0));
    let mut waits = Raw::sent(address, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let _next = Portcullis::builder(&yaml).passes(socket).start().await;
    waits.response().await;
}

#[tokio::test]
async fn a_reload_that_removes_the_listener_says_that_the_socket_is_open() {
    let (socket, address) = opened();
    let portcullis = Portcullis::builder(&hello(&address.to_string(), 2)).passes(socket);
    let portcullis = portcullis.start().await;
    let said = portcullis.apply(&hello("127.0.0.1:0", 2)).await;
    let line =
        format!("listener http is not listening on {address} any more, but its socket is open");
    assert!(said.text.contains(&line), "{said:?}");
}

/// The real thing: it opens the sockets, waits for who connects, and becomes the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_s_own_program_starts_it_when_somebody_connects() {
    const PROGRAM: &str = "systemd-socket-activate";
    if Command::new(PROGRAM).arg("--version").output().is_err() {
        return skipped(&format!(
            "there is no {PROGRAM} (Debian: apt-get install systemd)"
        ));
    }
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let yaml = format!(
        "listeners: [{{name: http, address: \"{address}\"}}, {{name: local, address: \"unix:@dir@/local\"}}]\n\
         routes: [{{name: hello, respond: {{body: hello}}}}]\n"
    );
    let builder = Portcullis::builder(&yaml);
    let directory = builder.directory().to_owned();
    let path = directory.join("local");
    let program = format!(
        "{PROGRAM} -l {address} -l {} --fdname=web:local -E RUNTIME_DIRECTORY",
        path.display()
    );
    let started = builder.under(&program).start();
    let client = async {
        let connected = eventually_some("somebody listens", async || {
            tokio::net::TcpStream::connect(address).await.ok()
        });
        let mut client = Raw::over(connected.await);
        client.send(GET).await;
        client.response().await.text()
    };
    let (mut portcullis, answer) = tokio::join!(started, client);
    assert_eq!(answer, "hello");
    assert_eq!(unix1(&path).await.get("/").await.text(), "hello");
    assert_eq!(portcullis.stop().await.code(), Some(0));
    assert!(path.exists(), "whoever has opened it removes it");
}
