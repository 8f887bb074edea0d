//! Does systemd hear that the process works, for as long as it does and no longer?

use std::sync::mpsc;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::support::*;

const WORKS: &str = "WATCHDOG=1";

/// A process that systemd has started, and that is to say that it works within so many milliseconds.
async fn watched(yaml: &str, milliseconds: u32) -> (Portcullis, Systemd) {
    let builder = Portcullis::builder(yaml);
    let builder = builder.env("WATCHDOG_USEC", &format!("{milliseconds}000"));
    Systemd::starts_with(builder).await
}

/// How often a process has said that it works.
fn beats(systemd: &Systemd, pid: u32) -> usize {
    let heard = systemd.heard().into_iter();
    heard
        .filter(|message| *message == (pid, WORKS.to_owned()))
        .count()
}

/// Waits until a process has said it twice more: the first may have been on its way.
async fn goes_on(systemd: &Systemd, pid: u32) {
    let before = beats(systemd, pid);
    eventually("it says that it works", async || {
        beats(systemd, pid) >= before + 2
    })
    .await;
}

/// Waits for as long as another process, which is to say it within so many milliseconds, takes to say it four times.
async fn another_goes_on(milliseconds: u32) {
    let (other, systemd) = watched(&site("", origin().await.address()), milliseconds).await;
    for _ in 0..2 {
        goes_on(&systemd, other.pid()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_said_over_reloads_and_upgrades_and_while_it_stops() {
    let origin = origin().await;
    let good = site("", origin.address());
    let (mut portcullis, systemd) = watched(&good, 400).await;
    goes_on(&systemd, portcullis.pid()).await;
    assert_eq!(systemd.message(0).await.1.lines().next(), Some("READY=1"));
    portcullis
        .apply(&good.replace("name: all", "name: others"))
        .await;
    goes_on(&systemd, portcullis.pid()).await;

    for _ in 0..2 {
        let mut former = portcullis.upgrade(&[]).await;
        // The variables are those of the process that was started first.
        goes_on(&systemd, portcullis.pid()).await;
        assert_eq!(former.end().await.code(), Some(0));
        let heard = systemd.heard();
        let main = (former.pid(), format!("MAINPID={}", portcullis.pid()));
        let handed_over = heard.iter().position(|message| *message == main);
        let (before, after) = heard.split_at(handed_over.expect("the new main process"));
        assert!(before.iter().all(|(pid, _)| *pid != portcullis.pid()));
        // One that was on its way when it was said.
        let late = after
            .iter()
            .filter(|(pid, said)| *pid == former.pid() && said == WORKS);
        assert!(late.count() <= 1, "{after:?}");
    }

    let address = portcullis.listener("http");
    let mut waits = Raw::sent(address, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n").await;
    arrived(&origin, 1).await;
    portcullis.signal("TERM");
    let stopping = |text: &str| {
        let heard = systemd.heard();
        heard
            .iter()
            .any(|(pid, said)| *pid == portcullis.pid() && said.contains(text))
    };
    eventually("it stops", async || {
        stopping("STOPPING=1\nEXTEND_TIMEOUT_USEC=")
    })
    .await;
    goes_on(&systemd, portcullis.pid()).await;
    eventually("it needs more time", async || {
        stopping("EXTEND_TIMEOUT_USEC=20000000\nSTATUS=stopping: 1 connections may end")
    })
    .await;
    origin.release();
    assert_eq!(waits.response().await.status, 200);
    assert_eq!(portcullis.end().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_stopped_does_not_say_it() {
    let (portcullis, systemd) = watched(&site("", origin().await.address()), 200).await;
    goes_on(&systemd, portcullis.pid()).await;
    portcullis.signal("STOP");
    eventually("all its threads are stopped", async || {
        let threads = portcullis.threads("");
        threads.iter().all(|thread| thread.state() == Some('T'))
    })
    .await;
    systemd.has_heard_all().await;
    let said = beats(&systemd, portcullis.pid());
    another_goes_on(200).await;
    systemd.has_heard_all().await;
    assert_eq!(beats(&systemd, portcullis.pid()), said);
    portcullis.signal("CONT");
    goes_on(&systemd, portcullis.pid()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_asked_does_not_say_it() {
    let origin = origin().await;
    let yaml = site("", origin.address());
    for (name, value) in [("WATCHDOG_PID", "1"), ("WATCHDOG_USEC", "0")] {
        let builder = Portcullis::builder(&yaml).env("WATCHDOG_USEC", "4000");
        let (mut portcullis, systemd) = Systemd::starts_with(builder.env(name, value)).await;
        portcullis
            .apply(&yaml.replace("name: all", "name: others"))
            .await;
        assert_eq!(portcullis.stop().await.code(), Some(0));
        eventually("it ends", async || {
            systemd
                .heard()
                .iter()
                .any(|(_, said)| said.starts_with("STOPPING"))
        })
        .await;
        assert_eq!(beats(&systemd, portcullis.pid()), 0, "{name}={value}");
    }
}

/// The number of the thread of this name.
fn thread(portcullis: &Portcullis, name: &str) -> Pid {
    let found = portcullis.threads(name);
    Pid::from_raw(found.first().expect("its thread").number())
}

/// Holds a thread up until what is given is dropped; `None` where that is not permitted.
fn hold_up(thread: Pid) -> Option<mpsc::Sender<()>> {
    let (let_go, held) = mpsc::channel::<()>();
    let (told, holds) = mpsc::channel();
    // Only the thread that holds it can let it go.
    std::thread::spawn(move || {
        let seized = ptrace::seize(thread, ptrace::Options::empty());
        let holding = seized.and_then(|()| ptrace::interrupt(thread));
        let holding = holding.and_then(|()| waitpid(thread, Some(WaitPidFlag::__WALL)));
        told.send(holding).expect("the test waits for it");
        let _ = held.recv();
        // It may have ended.
        let _ = ptrace::detach(thread, None);
    });
    match holds.recv().expect("told") {
        Ok(_) => Some(let_go),
        Err(nix::errno::Errno::EPERM) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_worker_that_hangs_is_named_and_nothing_is_said_until_it_goes_on() {
    let yaml = site("", origin().await.address()) + "runtime: {threads: 2}\n";
    let (portcullis, systemd) = watched(&yaml, 1000).await;
    goes_on(&systemd, portcullis.pid()).await;
    let complaints = || {
        let said = portcullis.stderr();
        said.matches("worker-1 has not answered for").count()
    };
    // A busy machine may have held it up before.
    let before = complaints();
    let Some(let_go) = hold_up(thread(&portcullis, "worker-1")) else {
        return eprintln!("skipped: no other process may be traced here (ptrace(2))");
    };
    eventually("it is named", async || complaints() > before).await;
    systemd.has_heard_all().await;
    let said = beats(&systemd, portcullis.pid());
    // The others work, and so does who says it.
    assert_eq!(
        Raw::connect(portcullis.admin())
            .await
            .get("/readyz")
            .await
            .status,
        200
    );
    another_goes_on(1000).await;
    systemd.has_heard_all().await;
    assert_eq!(beats(&systemd, portcullis.pid()), said);
    assert_eq!(complaints(), before + 1, "{}", portcullis.stderr());
    drop(let_go);
    eventually("it is told that it answers again", async || {
        let said = portcullis.stderr();
        said.matches("watchdog: worker-1 answers again").count() > before
    })
    .await;
    goes_on(&systemd, portcullis.pid()).await;
}
