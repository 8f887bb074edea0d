//! What do signals do that end nothing?

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::*;

#[tokio::test]
async fn sighup_does_not_kill_it() {
    let origin = origin().await;
    let mut portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut client = http1(portcullis.listener("http")).await;
    assert_eq!(client.get("/").await.status, 200);
    for _ in 0..3 {
        portcullis.signal("HUP");
    }
    portcullis.says("SIGHUP").await;
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(
        http1(portcullis.listener("http"))
            .await
            .get("/")
            .await
            .status,
        200
    );
    assert!(portcullis.ended().is_none());
}

#[tokio::test]
async fn sigusr1_opens_the_access_log_anew_and_no_line_is_lost() {
    let origin = origin().await;
    let portcullis = Portcullis::start(&site("", origin.address())).await;
    let mut client = http1(portcullis.listener("http")).await;
    let log = portcullis.directory().join("access.log");
    for round in 1..=2 {
        client.get(&format!("/before/{round}")).await;
        let before = portcullis.logged(|line| line["target"] == format!("/before/{round}"));
        before.await;
        // As logrotate does: rename, signal.
        let rotated = log.with_extension(round.to_string());
        std::fs::rename(&log, &rotated).expect("renamed");
        let written = client.get(&format!("/between/{round}")).await;
        assert_eq!(written.status, 200);
        portcullis.signal("USR1");
        eventually("a new file", async || log.exists()).await;
        client.get(&format!("/after/{round}")).await;
        let after = portcullis.logged(|line| line["target"] == format!("/after/{round}"));
        after.await;
        let (rotated, fresh) = (
            std::fs::read_to_string(&rotated).expect("the old file"),
            std::fs::read_to_string(&log).expect("the new file"),
        );
        assert!(rotated.contains(&format!("/before/{round}")), "{rotated}");
        // What was answered before the signal may have been written after it.
        let between = format!("/between/{round}");
        let both = rotated.clone() + &fresh;
        assert_eq!(both.matches(&between).count(), 1, "{both}");
        assert!(!rotated.contains(&format!("/after/{round}")), "{rotated}");
    }
}

/// A process that was just started, of which nothing is known yet.
struct Started(Child);

impl Started {
    fn new(directory: &std::path::Path) -> Self {
        let yaml = "listeners: [{name: http, address: \"127.0.0.1:0\"}]\n\
                    routes: [{name: hello, respond: {body: hello}}]\n\
                    admin: {address: 'off'}\n\
                    access_log: {format: 'off'}\n\
                    runtime: {pid_file: pid, directory: @dir@/run}\n";
        let yaml = yaml.replace("@dir@", &directory.display().to_string());
        std::fs::write(directory.join("p.yaml"), yaml).expect("a file");
        let errors = std::fs::File::create(directory.join("err")).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["run", "-c", "p.yaml"])
            .current_dir(directory)
            .env_remove("RUST_LOG")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn();
        Self(child.expect("the binary"))
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).expect("a process, if only a dead one");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // One that has ended already is no concern here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a process has a handler for this signal.
async fn catches(pid: u32, signal: rustix::process::Signal) {
    let place = format!("/proc/{pid}/status");
    let bit = 1u64 << (signal.as_raw() - 1);
    eventually("its handler is there", async || {
        let status = std::fs::read_to_string(&place).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.map(|mask| u64::from_str_radix(mask.trim(), 16).expect("a mask"));
        caught.is_some_and(|mask| mask & bit != 0)
    })
    .await;
}

#[tokio::test]
async fn sighup_while_the_process_starts_does_not_kill_it() {
    use rustix::process::Signal;
    for round in 0..8 {
        let directory = tempfile::tempdir().expect("a directory");
        let mut started = Started::new(directory.path());
        // Before this the program itself has not begun: what the system does then is not its to say.
        catches(started.0.id(), Signal::HUP).await;
        let said = || std::fs::read_to_string(directory.path().join("err")).expect("a file");
        eventually("it is ready", async || {
            started.signal(Signal::HUP);
            // As often as can be in half of the rounds, and each millisecond in the others: no moment of a start is missed.
            tokio::time::sleep(Duration::from_millis(round / 4)).await;
            let ended = started.0.try_wait().expect("a child");
            assert!(ended.is_none(), "round {round}: {ended:?}\n{}", said());
            said().contains(": ready")
        })
        .await;
    }
}

#[tokio::test]
async fn a_signal_to_stop_ends_a_process_that_starts_and_leaves_nothing() {
    use rustix::process::Signal;
    for round in 0..15 {
        let directory = tempfile::tempdir().expect("a directory");
        let mut started = Started::new(directory.path());
        let signal = [Signal::TERM, Signal::INT, Signal::QUIT][round % 3];
        // Before this the system ends it, and it cannot tidy up.
        catches(started.0.id(), signal).await;
        started.signal(signal);
        let status = eventually_some("it ends", async || started.0.try_wait().expect("a child"));
        let status = status.await;
        let said = std::fs::read_to_string(directory.path().join("err")).expect("a file");
        assert!(!said.contains("panicked"), "{said}");
        assert_eq!(status.code(), Some(0), "round {round}: {status}\n{said}");
        assert!(!directory.path().join("pid").exists(), "{said}");
        assert!(!said.contains("ERROR"), "{said}");
    }
}

#[tokio::test]
async fn a_process_that_says_that_it_is_ready_can_be_stopped_in_good_order() {
    use rustix::process::Signal;
    for round in 0..12 {
        let directory = tempfile::tempdir().expect("a directory");
        let mut started = Started::new(directory.path());
        let said = || std::fs::read_to_string(directory.path().join("err")).expect("a file");
        // As soon as it can be known.
        let waiting = Instant::now();
        while !said().contains(": ready") {
            assert!(waiting.elapsed() < PATIENCE, "{}", said());
            std::thread::yield_now();
        }
        started.signal([Signal::TERM, Signal::QUIT, Signal::INT][round % 3]);
        let status = eventually_some("it ends", async || started.0.try_wait().expect("a child"));
        assert_eq!(status.await.code(), Some(0), "round {round}: {}", said());
    }
}
