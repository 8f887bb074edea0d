//! Is systemd told what happens, in the right order and by the right process?

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt};

use crate::support::*;

/// A systemd that listens.
struct Systemd {
    heard: Arc<Mutex<Vec<Message>>>,
}

/// What it was told, and by which process.
type Message = (u32, String);

impl Systemd {
    /// Listens at `path`.
    fn at(path: &std::path::Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        sockopt::set_socket_passcred(&socket, true).expect("credentials");
        let heard = Arc::<Mutex<Vec<Message>>>::default();
        let hears = Arc::clone(&heard);
        std::thread::spawn(move || {
            loop {
                let message = receive(&socket);
                hears.lock().expect("no panic inside").push(message);
            }
        });
        Self { heard }
    }

    fn heard(&self) -> Vec<Message> {
        self.heard.lock().expect("no panic inside").clone()
    }

    /// The message of this number, once it is there.
    async fn message(&self, number: usize) -> Message {
        let what = format!("message {number}");
        eventually_some(&what, async || self.heard().get(number).cloned()).await
    }
}

/// The next message, and who sent it, as the kernel knows.
fn receive(socket: &UnixDatagram) -> Message {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut piece = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(socket, &mut piece, &mut control, RecvFlags::empty());
    let length = received.expect("a message").bytes;
    let sender = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(sender) => Some(sender.pid.as_raw_nonzero().get()),
        _ => None,
    });
    let sender = u32::try_from(sender.expect("a sender")).expect("a number");
    (
        sender,
        String::from_utf8_lossy(&bytes[..length]).into_owned(),
    )
}

/// A process that systemd has started.
async fn service(yaml: &str) -> (Portcullis, Systemd) {
    let builder = Portcullis::builder(yaml);
    let path = builder.directory().join("notify");
    let systemd = Systemd::at(&path);
    let path = path.to_str().expect("a path");
    (builder.env("NOTIFY_SOCKET", path).start().await, systemd)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_hears_of_the_start_of_upgrades_and_of_the_end() {
    let origin = origin().await;
    let (mut portcullis, systemd) = service(&site("", origin.address())).await;
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
    let (portcullis, systemd) = service(&site("", origin.address())).await;
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
}
