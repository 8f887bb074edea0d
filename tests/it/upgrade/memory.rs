//! What does a new process know of the old one, and what stays when there is none?

use std::os::unix::net::UnixListener;
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use crate::support::*;

async fn readyz(portcullis: &Portcullis) -> (u16, String) {
    let answer = Raw::connect(portcullis.admin()).await.get("/readyz").await;
    (answer.status, answer.text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generations_are_counted_on() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let generation = "portcullis_config_generation ";
    assert_eq!(portcullis.metric(generation).await, 1.0);
    portcullis
        .apply(&site("limits: {uri: 1KiB}", origin.address()))
        .await;
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(portcullis.metric(generation).await, 3.0);
    assert_eq!(former.end().await.code(), Some(0));
    portcullis
        .apply(&site("limits: {uri: 2KiB}", origin.address()))
        .await;
    assert_eq!(portcullis.metric(generation).await, 4.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_stays_in_force_until_it_is_taken_back() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let drained = (503, "drained\n".to_owned());
    assert_eq!(portcullis.run(&["drain"]).await.code, 0);
    assert_eq!(readyz(&portcullis).await, drained);
    for _ in 0..2 {
        let mut former = portcullis.upgrade(&[]).await;
        assert_eq!(former.end().await.code(), Some(0));
        assert_eq!(readyz(&portcullis).await, drained);
        assert_eq!(
            http1(portcullis.listener("http"))
                .await
                .get("/")
                .await
                .status,
            200
        );
    }
    assert_eq!(portcullis.run(&["drain", "--off"]).await.code, 0);
    assert_eq!(readyz(&portcullis).await, (200, "ready\n".to_owned()));
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
    assert_eq!(readyz(&portcullis).await, (200, "ready\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_resume_their_tls_sessions_after_reloads_and_upgrades() {
    let (authority, origin) = (Authority::new(), origin().await);
    let settings = "tls: {certificates: [{certificate: a.crt, key: a.key}]}";
    let mut portcullis = Portcullis::builder(&site(settings, origin.address()))
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let address = portcullis.listener("http");
    let configs = [&TLS12, &TLS13]
        .map(|version| Arc::new(client_config(&authority.roots(), &[version], &["http/1.1"])));
    for visit in 0..4 {
        for config in &configs {
            let stream = tls(address, "a.test", config).await.expect("a handshake");
            let expected = match visit {
                0 => HandshakeKind::Full,
                _ => HandshakeKind::Resumed,
            };
            assert_eq!(
                stream.get_ref().1.handshake_kind(),
                Some(expected),
                "visit {visit}"
            );
            let answer = over(stream, false, "https", "a.test").await.get("/").await;
            assert_eq!(answer.status, 200);
        }
        if visit == 0 {
            let other = format!("{settings}, limits: {{uri: 1KiB}}");
            portcullis.apply(&site(&other, origin.address())).await;
            continue;
        }
        let mut former = portcullis.upgrade(&[]).await;
        assert_eq!(former.end().await.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pid_file_belongs_to_the_last_process() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {pid_file: '@dir@/pid'}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    let file = portcullis.directory().join("pid");
    let said = || std::fs::read_to_string(&file).expect("a PID file");
    assert_eq!(said(), format!("{}\n", portcullis.pid()));
    for _ in 0..2 {
        let mut former = portcullis.upgrade(&[]).await;
        assert_eq!(said(), format!("{}\n", portcullis.pid()));
        assert_eq!(former.end().await.code(), Some(0));
        assert_eq!(
            said(),
            format!("{}\n", portcullis.pid()),
            "the former one has ended"
        );
    }
    portcullis.program("fails", "#!/bin/sh\nexit 1\n");
    portcullis.not_upgraded(&["--binary", "fails"]).await;
    assert_eq!(said(), format!("{}\n", portcullis.pid()));
    assert_eq!(portcullis.stop().await.code(), Some(0));
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_leaves_behind_is_in_nobody_s_way() {
    let origin = origin().await;
    let yaml = site("", origin.address()).replace(
        "}]\nroutes",
        "}, {name: local, address: 'unix:@dir@/edge.sock'}]\nroutes",
    ) + "runtime: {directory: '@dir@/sockets', pid_file: '@dir@/pid'}\n\
         admin: {address: 'unix:@dir@/admin.sock'}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    let files = [
        "edge.sock",
        "admin.sock",
        "pid",
        "sockets/control.sock",
        "sockets/upgrade.sock",
    ]
    .map(|name| portcullis.directory().join(name));
    // Killed in the middle of an upgrade.
    drop(UnixListener::bind(&files[4]).expect("a socket"));
    for round in 0..2 {
        portcullis.signal("KILL");
        portcullis.end().await;
        for file in &files {
            assert!(file.exists(), "{round}: {file:?}");
        }
        let said = portcullis.run(&["reload"]).await;
        assert_eq!(said.code, 3, "{said:?}");
        portcullis.start_again().await;
        for client in [
            &mut unix1(&files[0]).await,
            &mut http1(portcullis.listener("http")).await,
        ] {
            assert_eq!(client.get("/").await.status, 200);
        }
        assert_eq!(unix1(&files[1]).await.get("/readyz").await.status, 200);
        let pid = std::fs::read_to_string(&files[2]).expect("a PID file");
        assert_eq!(pid, format!("{}\n", portcullis.pid()));
        assert_eq!(portcullis.run(&["reload"]).await.code, 0);
    }
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
    assert_eq!(portcullis.stop().await.code(), Some(0));
    for file in &files {
        assert!(!file.exists(), "{file:?}");
    }
}
