//! Does the old process serve on when the new one does not come to serve, and does it say why?

use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use super::connecting::Connecting;
use crate::support::*;

/// A new process that does nothing until a file is there; that it has begun is told by another.
pub const IDLE: &str = "#!/bin/sh\n: > begun\nwhile [ ! -e done ]; do sleep 0.05; done\nexit 3\n";

/// A running one, with a directory for its sockets.
pub async fn patient() -> (Portcullis, origin::Origin) {
    with_runtime("directory: '@dir@/sockets'").await
}

/// One that waits no longer than this for a new process.
pub async fn impatient(limit: &str) -> (Portcullis, origin::Origin) {
    with_runtime(&format!(
        "directory: '@dir@/sockets', upgrade_timeout: {limit}"
    ))
    .await
}

async fn with_runtime(settings: &str) -> (Portcullis, origin::Origin) {
    let origin = origin().await;
    let yaml = site("", origin.address()) + &format!("runtime: {{{settings}}}\n");
    (Portcullis::start(&yaml).await, origin)
}

/// Fails to upgrade with these words, for these reasons; requests, new ones and one that is under way, are answered.
async fn fails(portcullis: &mut Portcullis, words: &[&str], reasons: &[&str]) {
    let address = portcullis.listener("http");
    let mut client = http1(address).await;
    assert_eq!(client.get("/").await.status, 200);
    let mut raw = Raw::sent(address, "GET /delay-body/300 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let reason = portcullis.not_upgraded(words).await;
    for expected in reasons {
        assert!(reason.contains(expected), "{expected} is not in: {reason}");
    }
    let first = reason.lines().next().expect("a reason");
    let told = format!("failed, this process serves on: {first}");
    eventually(&told, async || portcullis.stderr().contains(&told)).await;
    assert_eq!(raw.response().await.text(), "at last\n");
    let answer = client.get("/").await;
    assert_eq!(answer.status, 200);
    assert_ne!(answer.header("connection"), Some("close"));
    assert_eq!(http1(address).await.get("/").await.status, 200);
    assert_eq!(
        Raw::connect(portcullis.admin())
            .await
            .get("/readyz")
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binary_that_fails_or_hangs_or_is_none_is_told() {
    let (mut portcullis, origin) = impatient("1s").await;
    let hangs = portcullis.program("hangs", IDLE);
    let words = ["--binary", hangs.to_str().expect("a path")];
    fails(&mut portcullis, &words, &["took too long; it was ended"]).await;
    // From here on nobody has to be quick.
    let patient = site("", origin.address()) + "runtime: {directory: '@dir@/sockets'}\n";
    portcullis.apply(&patient).await;
    let cases = [
        (
            "fails",
            "#!/bin/sh\nexit 1\n",
            "ended before it asked for the sockets (exit status: 1)",
        ),
        ("dies", "#!/bin/sh\nkill -9 $$\n", "signal: 9"),
        ("nothing", "\n", "nothing: "),
    ];
    for (name, text, reason) in cases {
        let program = portcullis.program(name, text);
        let words = ["--binary", program.to_str().expect("a path")];
        fails(&mut portcullis, &words, &[reason]).await;
    }
    // Relative to where the command is run.
    std::fs::write(portcullis.directory().join("text"), "").expect("a file");
    fails(
        &mut portcullis,
        &["--binary", "text"],
        &["/text: Permission denied"],
    )
    .await;
    fails(
        &mut portcullis,
        &["--binary", "missing"],
        &["/missing: No such file"],
    )
    .await;
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_can_not_be_used_is_told_with_its_place() {
    let (mut portcullis, origin) = patient().await;
    let site = site("", origin.address());
    let good = site.clone() + "runtime: {directory: '@dir@/sockets'}\n";
    let (with, directory) = (
        |rest: &str| site.clone() + rest,
        portcullis.directory().to_owned(),
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let listener =
        |rest: &str| good.replace("}]\nroutes", &format!("}}, {{name: new, {rest}}}]\nroutes"));
    std::fs::create_dir(directory.join("open")).expect("a directory");
    let mut private = std::fs::DirBuilder::new();
    let made = private.mode(0o700).create(directory.join("taken"));
    made.expect("a directory");
    let _somebody = std::os::unix::net::UnixListener::bind(directory.join("taken/control.sock"));
    let cases = [
        (good.replace("pool: origin", "pool: orign"), "new.yaml:2:"),
        (with("nonsense: 1\n"), "new.yaml:4:1"),
        (
            listener(
                "address: '127.0.0.1:0', tls: {certificates: [{certificate: a.crt, key: a.key}]}",
            ),
            "a.crt",
        ),
        (
            listener(&format!("address: '127.0.0.1:{port}'")),
            &format!("port {port} is taken"),
        ),
        (
            good.clone() + &format!("admin: {{address: '127.0.0.1:{port}'}}\n"),
            &format!("port {port} is taken"),
        ),
        (with("runtime: {directory: '@dir@/open'}\n"), "with mode 7"),
        (
            with("runtime: {directory: '@dir@/sockets', pid_file: '@dir@/missing/pid'}\n"),
            "/missing/pid: No such file",
        ),
        (
            with("runtime: {directory: '@dir@/taken'}\n"),
            "control.sock: another process listens there",
        ),
        (
            good.clone() + "access_log: {path: '@dir@/missing/log', format: json}\n",
            "/missing does not exist",
        ),
    ];
    for (yaml, reason) in &cases {
        portcullis.configure_as("new.yaml", yaml);
        fails(
            &mut portcullis,
            &["--of", "portcullis.yaml", "-c", "new.yaml"],
            &[reason],
        )
        .await;
    }
    fails(
        &mut portcullis,
        &["--of", "portcullis.yaml", "-c", "missing.yaml"],
        &["missing.yaml"],
    )
    .await;
    // The configuration it was started with has not changed by all that.
    let mut former = portcullis.upgrade_by_signal().await;
    assert_eq!(former.end().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigusr2_that_fails_is_told_in_the_log() {
    let (mut portcullis, origin) = patient().await;
    portcullis.configure(&(site("", origin.address()) + "nonsense: 1\n"));
    portcullis.signal("USR2");
    let told = "upgrade by SIGUSR2 failed, this process serves on: ";
    eventually("it is told", async || portcullis.stderr().contains(told)).await;
    portcullis.is_alone().await;
    assert!(
        portcullis.stderr().contains("portcullis.yaml:4:1"),
        "{}",
        portcullis.stderr()
    );
    assert_eq!(
        http1(portcullis.listener("http"))
            .await
            .get("/")
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_socket_in_use_is_left_alone_and_one_left_behind_is_replaced() {
    let (mut portcullis, _origin) = patient().await;
    let place = portcullis.hand_over_socket();
    let other = UnixListener::bind(&place).expect("a socket");
    let said = portcullis.run(&["upgrade"]).await;
    let reason = "upgrade.sock: another process listens there";
    assert!(said.code == 1 && said.text.contains(reason), "{said:?}");
    assert!(place.exists(), "it is another's");
    assert_eq!(portcullis.processes(), [portcullis.pid()]);
    drop(other);
    assert!(place.exists(), "left behind");
    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
    portcullis.is_alone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_while_another_is_under_way_is_refused() {
    let (mut portcullis, _origin) = patient().await;
    let program = portcullis.program("idle", IDLE);
    let words = ["upgrade", "--binary", program.to_str().expect("a path")];
    let second = async {
        let [begun, done] = ["begun", "done"].map(|name| portcullis.directory().join(name));
        eventually("the new process has begun", async || begun.exists()).await;
        let said = portcullis.run(&["upgrade"]).await;
        portcullis.signal("USR2");
        eventually("the signal's failed too", async || {
            let said = portcullis.stderr();
            said.contains("upgrade by SIGUSR2 failed, this process serves on: a reload or another")
        })
        .await;
        std::fs::write(done, "").expect("a file");
        said
    };
    let (first, second) = tokio::join!(portcullis.run(&words), second);
    assert!(
        first.code == 1 && first.text.trim_end().ends_with("(exit status: 3)"),
        "{first:?}"
    );
    let under_way =
        "not upgraded, the old process serves on: a reload or another upgrade is under way";
    assert!(
        second.code == 1 && second.text.starts_with(under_way),
        "{second:?}"
    );
    portcullis.is_alone().await;
    assert_eq!(portcullis.run(&["reload"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_in_the_middle_of_an_upgrade_ends_both_processes() {
    for signal in ["TERM", "INT"] {
        ends_both(signal).await;
    }
}

async fn ends_both(signal: &str) {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let program = portcullis.program("idle", IDLE);
    let words = ["upgrade", "--binary", program.to_str().expect("a path")];
    let terminate = async {
        let begun = portcullis.directory().join("begun");
        eventually("the new process has begun", async || begun.exists()).await;
        portcullis.signal(signal);
    };
    let (said, ()) = tokio::join!(portcullis.run(&words), terminate);
    let reason = "not upgraded, the old process serves on: the process is stopping";
    assert!(said.code == 1 && said.text.starts_with(reason), "{said:?}");
    assert_eq!(portcullis.end().await.code(), Some(0));
    let ended = std::time::Instant::now();
    eventually("the other one ends", async || {
        portcullis.processes().is_empty()
    })
    .await;
    assert!(
        ended.elapsed() < Duration::from_secs(2),
        "{:?}",
        ended.elapsed()
    );
    assert!(!portcullis.hand_over_socket().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stops_is_not_upgraded() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {stop_delay: 1h}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    portcullis.signal("TERM");
    eventually("it stops", async || {
        portcullis.stderr().contains("SIGTERM: stopping")
    })
    .await;
    let said = portcullis.run(&["upgrade"]).await;
    assert!(
        said.code == 1 && said.text.contains("the process is stopping"),
        "{said:?}"
    );
    portcullis.signal("TERM");
    assert_eq!(portcullis.end().await.code(), Some(0));
    assert!(portcullis.processes().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_do_not_fall_to_a_process_that_fails_to_take_over() {
    let origin = origin().await;
    let yaml = site("", origin.address()) + "runtime: {threads: 1}\n";
    let mut portcullis = Portcullis::start(&yaml).await;
    // It has its sockets, and more of them than the old process, when it finds that it can't go on.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address");
    let yaml = site("", origin.address())
        + &format!("runtime: {{threads: 16}}\nadmin: {{address: '{taken}'}}\n");
    portcullis.configure_as("new.yaml", &yaml);
    let clients = Connecting::start(portcullis.listener("http"), 16);
    for _ in 0..5 {
        clients.goes_on().await;
        let reason = portcullis
            .not_upgraded(&["--of", "portcullis.yaml", "-c", "new.yaml"])
            .await;
        assert!(reason.contains("admin listener"), "{reason}");
    }
    clients.goes_on().await;
    clients.stop().await;
}
