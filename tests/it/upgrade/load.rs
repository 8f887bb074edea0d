//! Does an upgrade cost anyone a request, a connection or a stream?

use origin::expected_bytes;

use super::connecting::Connecting;
use crate::support::*;

const LEFT: &str = "portcullis_predecessor_connections";

/// How many connections the predecessors still have.
async fn left(portcullis: &Portcullis) -> f64 {
    portcullis.metric(LEFT).await
}

/// Two upgrades while clients of all kinds ask; the ledger has to be clean.
async fn twice_under_load(tls: bool, upgrade: impl AsyncFn(&mut Portcullis) -> Former) {
    let (authority, origin) = (Authority::new(), origin().await);
    let settings = match tls {
        true => "tls: {certificates: [{certificate: a.crt, key: a.key}]}",
        false => "",
    };
    let yaml = site(settings, origin.address()) + "runtime: {threads: 2}\n";
    let mut portcullis = Portcullis::builder(&yaml)
        .identity("a", &authority.issue(&["a.test"]))
        .start()
        .await;
    let address = portcullis.listener("http");
    let ledger = match tls {
        true => Ledger::builder(address)
            .https("a.test", &authority.roots())
            .start(),
        false => Ledger::start(address),
    };
    ledger.settled().await;
    let mut first = upgrade(&mut portcullis).await;
    // The WebSocket at least.
    eventually("the successor knows of it", async || {
        left(&portcullis).await >= 1.0
    })
    .await;
    let before = ledger.answered();
    eventually("clients go on", async || ledger.answered() > before + 100).await;
    let mut second = upgrade(&mut portcullis).await;
    assert_eq!(portcullis.listener("http"), address);
    assert_eq!(first.ended(), None, "the WebSocket is there");
    eventually("the process after the next knows of it", async || {
        left(&portcullis).await >= 1.0
    })
    .await;
    let report = ledger.stop().await;
    report.assert_clean();
    assert_eq!(report.websocket_close, Some(1000), "{report}");
    assert_eq!(origin.journal().cancelled(), 0, "{report}");
    assert_eq!(first.end().await.code(), Some(0));
    second.gone().await;
    eventually("nothing is left", async || left(&portcullis).await == 0.0).await;
    assert_eq!(portcullis.processes(), [portcullis.pid()]);
    assert_eq!(portcullis.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_upgrades_by_command_cost_no_client_a_request() {
    twice_under_load(false, async |portcullis| portcullis.upgrade(&[]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_upgrades_by_signal_cost_no_client_over_tls_a_request() {
    twice_under_load(true, async |portcullis| {
        portcullis.upgrade_by_signal().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_begun_ends_on_the_old_process_which_ends_then() {
    both_carriers(async |carrier| {
        let origin = origin().await;
        let builder = Portcullis::builder(&site("", origin.address()));
        let mut portcullis = builder.carrier(carrier).start().await;
        let address = portcullis.listener("http");
        let (mut one, mut two) = (http1(address).await, http2(address).await);
        let downloads = tokio::spawn(async move {
            let answers = tokio::join!(one.get("/held-body"), two.get("/held-body"));
            (answers.0.text(), answers.1.text())
        });
        let begun = |journal: &origin::Journal| journal.in_flight() == 2;
        assert!(origin.journal().becomes(PATIENCE, begun).await);
        let mut idle = http1(address).await;
        assert_eq!(idle.get("/").await.status, 200);

        let mut former = portcullis.upgrade(&[]).await;
        assert_ne!(former.pid(), portcullis.pid());
        // Who waits for nothing has one more request there.
        eventually("three are left", async || left(&portcullis).await == 3.0).await;
        assert_eq!(idle.get("/").await.header("connection"), Some("close"));
        eventually("two are left", async || left(&portcullis).await == 2.0).await;
        assert_eq!(http1(address).await.get("/").await.status, 200);
        assert_eq!(former.ended(), None);

        origin.release();
        let texts = downloads.await.expect("both answers");
        assert_eq!(
            texts,
            ("so far\nat last\n".into(), "so far\nat last\n".into())
        );
        assert_eq!(former.end().await.code(), Some(0));
        eventually("none is left", async || left(&portcullis).await == 0.0).await;
        assert_eq!(portcullis.processes(), [portcullis.pid()]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_and_a_websocket_that_have_begun_end_on_the_old_process() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let address = portcullis.listener("http");
    let mut socket = WebSocket::connect(address, "/ws");
    echo(&mut socket, "one");
    let body = expected_bytes(300_000);
    let mut upload = Raw::connect(address).await;
    upload
        .send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
        .await;
    upload.send(&body[..100_000]).await;
    let mut former = portcullis.upgrade(&[]).await;
    let mut second = portcullis.upgrade(&[]).await;
    // The one in the middle has no connection of its own, and tells of those of the one before it.
    eventually("two are left", async || left(&portcullis).await == 2.0).await;
    let log = portcullis.directory().join("access.log");
    std::fs::rename(&log, log.with_extension("1")).expect("renamed");
    portcullis.signal("USR1");
    eventually("all have heard it", async || {
        portcullis
            .stderr()
            .matches("the access log is opened anew")
            .count()
            == 3
    })
    .await;
    upload.send(&body[100_000..]).await;
    let answer = upload.last_response().await;
    portcullis.logged(|line| line["target"] == "/upload").await;
    assert!(answer.closes(), "{answer:?}");
    assert_eq!(answer.json()["bytes"], 300_000);
    echo(&mut socket, "two");
    assert_eq!(former.ended(), None);
    assert!(!second.is_gone());
    socket.close();
    assert_eq!(former.end().await.code(), Some(0));
    second.gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_something_after_an_upgrade_meets_the_new_process() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    for _ in 0..3 {
        let (mut former, said) = portcullis.upgrade_and(&["reload"]).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(former.end().await.code(), Some(0));
    }
}

fn echo(socket: &mut WebSocket, text: &str) {
    socket.send(text).expect("sent");
    let received = socket.receive().expect("an echo");
    assert_eq!(received.into_text().expect("text"), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_process_does_not_stay_for_ever() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {upgrade_grace: 300ms}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    let address = portcullis.listener("http");
    let _hangs = Raw::sent(address, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let hangs = |journal: &origin::Journal| journal.in_flight() == 1;
    assert!(origin.journal().becomes(PATIENCE, hangs).await);
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
    let said = portcullis.stderr();
    assert!(
        said.contains("the grace is over; 1 connections are cut"),
        "{said}"
    );
    assert_eq!(http1(address).await.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_the_new_process_stops_the_old_ones_in_good_order() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let address = portcullis.listener("http");
    let mut upload = Raw::connect(address).await;
    upload
        .send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234")
        .await;
    let received = |journal: &origin::Journal| journal.in_flight() == 1;
    assert!(origin.journal().becomes(PATIENCE, received).await);
    let mut first = portcullis.upgrade(&[]).await;
    let mut second = portcullis.upgrade(&[]).await;
    portcullis.signal("TERM");
    // From one to the next.
    eventually("both have heard it", async || {
        let said = portcullis.stderr();
        said.matches("the new process: stopping").count() == 2
    })
    .await;
    assert_eq!(first.ended(), None, "the upload is under way");
    upload.send("56789").await;
    let answer = upload.last_response().await;
    assert_eq!(answer.json()["bytes"], 10);
    // The service ends with its last process.
    assert_eq!(portcullis.end().await.code(), Some(0));
    assert!(first.is_gone() && second.is_gone());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_keeps_an_admin_connection_open_is_sent_to_the_new_process() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut socket = WebSocket::connect(portcullis.listener("http"), "/ws");
    echo(&mut socket, "one");
    let mut scraper = Raw::connect(portcullis.admin()).await;
    assert_eq!(scraper.get("/metrics").await.status, 200);
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(scraper.rest().await, b"", "closed, and nothing else");
    assert_eq!(former.ended(), None);
    eventually("one is left", async || left(&portcullis).await == 1.0).await;
    socket.close();
    assert_eq!(former.end().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptors_do_not_pile_up_from_process_to_process() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {threads: 2}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    // Files may be there or not: certificates are read in the background.
    let count = |portcullis: &Portcullis| {
        let descriptors = portcullis.descriptors();
        ["socket", "pipe", "anon_inode"].map(|kind| descriptors[kind])
    };
    let mut first = None;
    for turn in 1..=4 {
        let mut former = portcullis.upgrade(&[]).await;
        assert_eq!(former.end().await.code(), Some(0));
        eventually("it is not followed any more", async || {
            let told = portcullis.stderr();
            told.matches("the old process has ended").count() == turn
        })
        .await;
        first.get_or_insert_with(|| count(&portcullis));
    }
    // One that is about to be closed may have been among the first; one more from each process shows.
    let first = first.expect("an upgrade");
    eventually("no more than after the first", async || {
        count(&portcullis)
            .iter()
            .zip(first)
            .all(|(now, first)| *now <= first)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_wait_for_being_accepted_are_served_by_either_process() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {threads: 2}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    let clients = Connecting::start(portcullis.listener("http"), 16);
    for _ in 0..4 {
        clients.goes_on().await;
        let mut former = portcullis.upgrade(&[]).await;
        assert_eq!(former.end().await.code(), Some(0));
    }
    clients.goes_on().await;
    clients.stop().await;
}
