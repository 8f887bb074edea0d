//! How does a test hear what systemd is told?

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt};

use super::portcullis::Builder;
use super::{Portcullis, eventually, eventually_some};

/// A systemd that listens.
pub struct Systemd {
    heard: Arc<Mutex<Vec<Message>>>,
    path: PathBuf,
}

/// What it was told, and by which process.
pub type Message = (u32, String);

impl Systemd {
    /// Listens at `path`.
    pub fn at(path: &Path) -> Self {
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
        Self {
            heard,
            path: path.to_owned(),
        }
    }

    /// A process that it has started.
    pub async fn starts(yaml: &str) -> (Portcullis, Self) {
        Self::starts_with(Portcullis::builder(yaml)).await
    }

    /// The same, with something else to be said about the process.
    pub async fn starts_with(builder: Builder) -> (Portcullis, Self) {
        let path = builder.directory().join("notify");
        let systemd = Self::at(&path);
        let path = path.to_str().expect("a path");
        (builder.env("NOTIFY_SOCKET", path).start().await, systemd)
    }

    /// What it was told so far.
    pub fn heard(&self) -> Vec<Message> {
        self.heard.lock().expect("no panic inside").clone()
    }

    /// Waits until all is in [`Self::heard`] that was said before: what the test says itself comes behind it.
    pub async fn has_heard_all(&self) {
        let mark = format!("X_MARK={:?}", Instant::now());
        let socket = UnixDatagram::unbound().expect("a socket");
        socket
            .send_to(mark.as_bytes(), &self.path)
            .expect("it listens");
        eventually("all is heard", async || {
            self.heard().iter().any(|(_, said)| *said == mark)
        })
        .await;
    }

    /// The message of this number, once it is there.
    pub async fn message(&self, number: usize) -> Message {
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
