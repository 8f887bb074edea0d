//! Is systemd told what happens, in the right order and by the right process?

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_hears_of_the_start_of_upgrades_and_of_the_end() {
    let origin = origin().await;
    let (mut portcullis, systemd) = Systemd::starts(&site("", origin.address())).await;
    let (sender, message) = systemd.message(0).await;
    assert_eq!(
        (sender, message.lines().next()),
        (portcullis.pid(), Some("READY=1"))
    );
    let mut number = 1;
    for _ in 0..2 {
        let mut former = portcullis.upgrade(&[]).await;
        // systemd believes the main process alone, so the old one has to say first who is the new one.
        let main = (former.pid(), format!("MAINPID={}", portcullis.pid()));
        assert_eq!(systemd.message(number).await, main);
        let (sender, message) = systemd.message(number + 1).await;
        assert_eq!(
            (sender, message.lines().next()),
            (portcullis.pid(), Some("READY=1"))
        );
        number += 2;
        assert_eq!(former.end().await.code(), Some(0));
    }
    // A former process that is told to stop has nothing to say either.
    let address = portcullis.listener("http");
    let _hangs = Raw::sent(address, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let hangs = |journal: &origin::Journal| journal.in_flight() == 1;
    assert!(origin.journal().becomes(PATIENCE, hangs).await);
    let mut former = portcullis.upgrade(&[]).await;
    number += 2;
    former.signal("TERM");
    eventually("it stops", async || {
        portcullis.stderr().contains("SIGTERM: stopping")
    })
    .await;
    former.signal("INT");
    assert_eq!(former.end().await.code(), Some(0));
    portcullis.program("fails", "#!/bin/sh\nexit 1\n");
    portcullis.not_upgraded(&["--binary", "fails"]).await;
    assert_eq!(portcullis.stop().await.code(), Some(0));
    // The end of a former process is not the service's, and a failed upgrade is no news.
    let (sender, message) = systemd.message(number).await;
    assert_eq!(
        (sender, message.lines().next()),
        (portcullis.pid(), Some("STOPPING=1"))
    );
    assert_eq!(systemd.heard().len(), number + 1, "{:?}", systemd.heard());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_hears_that_a_reload_begins_and_ends() {
    let origin = origin().await;
    let (portcullis, systemd) = Systemd::starts(&site("", origin.address())).await;
    let good = site("limits: {uri: 1KiB}", origin.address());
    for (number, yaml) in [good.clone(), good + "nonsense: 1\n"].iter().enumerate() {
        portcullis.configure(yaml);
        portcullis.signal("HUP");
        let (_, message) = systemd.message(number * 2 + 1).await;
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines[0], "RELOADING=1");
        let time = lines[1].strip_prefix("MONOTONIC_USEC=").expect("a time");
        assert!(time.parse::<u64>().is_ok_and(|time| time > 0), "{message}");
        let (_, message) = systemd.message(number * 2 + 2).await;
        assert_eq!(message.lines().next(), Some("READY=1"));
    }
    // What `systemctl status` shows: what is in force, and why it is not what was wanted.
    let status = |number: usize| systemd.heard()[number].1.lines().nth(1).map(str::to_owned);
    let serves = "STATUS=generation 2: 1 listeners, 1 routes, 1 pools";
    assert_eq!(status(2).as_deref(), Some(serves));
    let refused = status(4).expect("a status");
    let why = refused.strip_prefix(&format!("{serves}; the last reload rejected: "));
    let why = why.unwrap_or_else(|| panic!("{refused}"));
    assert!(
        why.contains("portcullis.yaml:") && why.contains("nonsense"),
        "{why}"
    );
}
