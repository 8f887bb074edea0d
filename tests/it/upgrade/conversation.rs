//! What if the other one of the two processes does not do its part?
//!
//! The test itself plays the new process, while the one that was started does nothing; or it plays the old one.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::failures::{IDLE, impatient, patient};
use crate::support::*;

/// One end of the conversation: messages of JSON, each after its length.
struct Played(UnixStream);

impl Played {
    /// The new process: waits for the old one at its socket.
    async fn new_at(place: &Path) -> Self {
        let what = "the old process waits for the new one";
        Self(eventually_some(what, async || UnixStream::connect(place).await.ok()).await)
    }

    async fn say(&mut self, message: &Value) {
        let message = message.to_string();
        let length = u32::try_from(message.len()).expect("a length");
        self.write(&length.to_be_bytes()).await;
        self.write(message.as_bytes()).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("sent");
    }

    /// The next message; descriptors that come with it are closed.
    async fn hear(&mut self) -> Value {
        let hear = async {
            let length = self.0.read_u32().await.expect("a length");
            let mut message = vec![0; length as usize];
            self.0.read_exact(&mut message).await.expect("a message");
            serde_json::from_slice(&message).expect("JSON")
        };
        in_time("a message", hear).await
    }

    /// The next message, which has descriptors.
    async fn hear_with_sockets(&mut self) -> (Value, Vec<OwnedFd>) {
        use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
        let mut first = [0; 1];
        let mut sockets = Vec::new();
        let hear = self.0.async_io(tokio::io::Interest::READABLE, || {
            let mut space = [std::mem::MaybeUninit::uninit(); 1024];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let into = &mut [std::io::IoSliceMut::new(&mut first)];
            recvmsg(&self.0, into, &mut beside, RecvFlags::DONTWAIT)?;
            for message in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    sockets.extend(descriptors);
                }
            }
            Ok(())
        });
        in_time("sockets", hear).await.expect("a message");
        let mut length = [first[0], 0, 0, 0];
        self.0
            .read_exact(&mut length[1..])
            .await
            .expect("its length");
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut message).await.expect("a message");
        (serde_json::from_slice(&message).expect("JSON"), sockets)
    }

    /// Hears messages up to one that says this.
    async fn hear_until(&mut self, said: &str) -> Value {
        loop {
            let message = self.hear().await;
            if message["say"] == said {
                return message;
            }
        }
    }
}

/// How a new process fails that behaves so. What it was is ended when it is done.
async fn against(portcullis: &mut Portcullis, new: impl AsyncFnOnce(Played)) -> String {
    let program = portcullis.program("idle", IDLE);
    let done = portcullis.directory().join("done");
    let place = portcullis.hand_over_socket();
    let play = async {
        new(Played::new_at(&place).await).await;
        std::fs::write(&done, "").expect("a file");
    };
    let words = ["--binary", program.to_str().expect("a path")];
    let (reason, ()) = tokio::join!(portcullis.not_upgraded(&words), play);
    std::fs::remove_file(&done).expect("removed");
    let answer = http1(portcullis.listener("http")).await.get("/").await;
    assert_eq!(answer.status, 200);
    reason
}

fn hello() -> Value {
    json!({"say": "hello", "version": "a later one", "and": "what nobody knows"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_that_talks_nonsense_or_leaves_is_given_up() {
    let (mut portcullis, _origin) = patient().await;
    let reason = against(&mut portcullis, async |mut new| {
        new.write(b"GET / HTTP/1.1\r\n\r\n").await;
    })
    .await;
    assert!(reason.ends_with("(exit status: 3)"), "{reason}");

    let reason = against(&mut portcullis, async |mut new| {
        new.say(&json!({"say": "what?"})).await
    });
    let reason = reason.await;
    assert!(reason.contains("what?"), "{reason}");

    let reason = against(&mut portcullis, async |mut new| {
        new.say(&json!({"say": "serving"})).await
    });
    let reason = reason.await;
    assert!(reason.contains("something unexpected: Serving"), "{reason}");

    // Anyone may come by and leave.
    let reason = against(&mut portcullis, async |_| {}).await;
    assert!(
        reason.starts_with("the new process ended before it asked for the sockets"),
        "{reason}"
    );

    let reason = against(&mut portcullis, async |mut new| {
        new.say(&hello()).await;
        new.hear_until("memory").await;
        new.say(&json!({"say": "failed", "reason": "bad luck"}))
            .await;
    })
    .await;
    assert!(reason.starts_with("bad luck"), "{reason}");

    let reason = against(&mut portcullis, async |mut new| {
        new.say(&hello()).await;
        let sockets = new.hear().await;
        assert_eq!(sockets["say"], "sockets", "{sockets}");
        assert!(
            sockets["sockets"]
                .as_array()
                .is_some_and(|all| all.len() >= 2),
            "{sockets}"
        );
        new.hear_until("memory").await;
        new.say(&json!({"say": "ready", "doors": []})).await;
        new.hear_until("go").await;
    })
    .await;
    assert!(
        reason.starts_with("the new process ended before it was ready"),
        "{reason}"
    );

    let mut former = portcullis.upgrade(&[]).await;
    assert_eq!(former.end().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_process_that_falls_silent_is_given_up() {
    let (mut portcullis, _origin) = impatient("1s").await;
    let reason = against(&mut portcullis, async |new| {
        let mut rest = new.0;
        in_time(
            "the old process to hang up",
            rest.read_to_end(&mut Vec::new()),
        )
        .await
        .expect("its end");
    })
    .await;
    assert!(
        reason.starts_with("the new process took too long"),
        "{reason}"
    );
    // From `go` on it is another limit that counts; until then it has as long as it needs.
    let (mut portcullis, _origin) = patient().await;
    let reason = against(&mut portcullis, async |mut new| {
        new.say(&hello()).await;
        new.hear_until("memory").await;
        new.say(&json!({"say": "ready", "doors": ["http"]})).await;
        new.hear_until("go").await;
        in_time(
            "the old process to hang up",
            new.0.read_to_end(&mut Vec::new()),
        )
        .await
        .expect("its end");
    })
    .await;
    assert!(
        reason.starts_with("the new process took too long"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_the_old_process_while_the_new_one_takes_over_leaves_the_sockets_to_the_new_one()
{
    for signal in ["TERM", "QUIT", "INT"] {
        let (mut portcullis, _origin) = patient().await;
        let address = portcullis.listener("http");
        let program = portcullis.program("idle", IDLE);
        let done = portcullis.directory().join("done");
        let place = portcullis.hand_over_socket();
        let play = async {
            let mut new = Played::new_at(&place).await;
            new.say(&hello()).await;
            let (told, sockets) = new.hear_with_sockets().await;
            assert_eq!(told["say"], "sockets", "{told}");
            new.hear_until("memory").await;
            let doors = told["sockets"].as_array().expect("a list");
            let doors: Vec<_> = doors.iter().map(|of| of["door"].clone()).collect();
            new.say(&json!({"say": "ready", "doors": doors})).await;
            new.hear_until("go").await;
            // From here on the new one may have clients.
            portcullis.signal(signal);
            portcullis.says(&format!("SIG{signal}: ")).await;
            new.say(&json!({"say": "serving"})).await;
            (new, sockets)
        };
        let words = ["upgrade", "--binary", program.to_str().expect("a path")];
        let (_, (_new, sockets)) = tokio::join!(portcullis.run(&words), play);
        std::fs::write(&done, "").expect("a file");
        assert_eq!(portcullis.end().await.code(), Some(0));
        // Nobody is turned away: one of the sockets has whoever connects.
        let connecting = tokio::task::spawn_blocking(move || {
            std::net::TcpStream::connect_timeout(&address, PATIENCE)
        });
        let connected = connecting.await.expect("no panic");
        connected.unwrap_or_else(|error| panic!("{signal}: {error}"));
        drop(sockets);
    }
}

/// What a process does that is to take over from an old one that behaves so.
async fn takes_over_from(old: impl AsyncFnOnce(Played)) -> Output {
    let origin = origin().await;
    let builder = Portcullis::builder(&site("", origin.address()));
    let place = builder.directory().join("upgrade.sock");
    let listener = UnixListener::bind(&place).expect("a socket");
    let new = tokio::task::spawn_blocking(move || {
        builder.output(&["run", "--take-over", place.to_str().expect("a path")])
    });
    let (stream, _) = in_time("the new process", listener.accept())
        .await
        .expect("accepted");
    let mut played = Played(stream);
    assert_eq!(played.hear().await["say"], "hello");
    old(played).await;
    in_time("the new process's end", new)
        .await
        .expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_process_that_dies_before_it_says_go_takes_the_new_one_with_it() {
    type Old = fn(Played) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;
    let old: [Old; 4] = [
        |played| Box::pin(async { drop(played) }),
        |mut played| {
            Box::pin(async move { played.say(&json!({"say": "sockets", "sockets": []})).await })
        },
        |mut played| Box::pin(async move { played.say(&json!({"say": "go"})).await }),
        |mut played| {
            Box::pin(async move {
                // One that remembers less, or more, is of another version.
                played
                    .say(&json!({"say": "memory", "generation": 41, "more": true}))
                    .await;
                let ready = played.hear().await;
                assert_eq!(ready, json!({"say": "ready", "doors": ready["doors"]}));
            })
        },
    ];
    for old in old {
        let output = takes_over_from(async |played| old(played).await).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{said}");
        assert!(said.contains("upgrade: "), "{said}");
        assert!(!said.contains(": ready"), "{said}");
    }
}

#[test]
fn an_old_process_that_is_not_there_is_told() {
    let builder = Portcullis::builder("listeners: []\n");
    let output = builder.output(&["run", "--take-over", "upgrade.sock"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("No such file"), "{said}");
}
