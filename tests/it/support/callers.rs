//! How does a test keep connecting to a listening address until it is closed?

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use super::{PATIENCE, eventually};

/// Clients that connect and ask, each time on a connection of its own, until nobody listens any more. Threads of their
/// own, for the moment between a handshake and its acceptance is short.
pub struct Callers(Vec<(Arc<AtomicUsize>, JoinHandle<io::Result<()>>)>);

impl Callers {
    /// Starts so many, for an address where every answer is `hello`.
    pub fn start(address: SocketAddr, count: usize) -> Self {
        let start = |_| {
            let answers = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&answers);
            (answers, std::thread::spawn(move || call(address, &counted)))
        };
        Self((0..count).map(start).collect())
    }

    /// Waits until each of them has had an answer, or has failed, which [`Callers::refused`] tells.
    pub async fn answered(&self) {
        eventually("an answer for each client", async || {
            self.0.iter().all(|(answers, thread)| {
                answers.load(Ordering::Relaxed) > 0 || thread.is_finished()
            })
        })
        .await;
    }

    /// Waits until all are refused; panics unless each of their connections before that was answered.
    pub fn refused(self) {
        for (answers, thread) in self.0 {
            let ended = thread.join().expect("no panic");
            let answers = answers.load(Ordering::Relaxed);
            ended.unwrap_or_else(|error| panic!("after {answers} answers: {error}"));
            assert!(answers > 0, "refused at once");
        }
    }

    /// Asks on one connection, and gives what came until its end.
    ///
    /// # Errors
    ///
    /// It broke, or stayed open.
    pub fn ask(mut stream: TcpStream) -> io::Result<String> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

fn call(address: SocketAddr, answers: &AtomicUsize) -> io::Result<()> {
    loop {
        // Refused, or not heard at all, or let go in the middle of the handshake: nothing was asked.
        let Ok(stream) = TcpStream::connect_timeout(&address, PATIENCE) else {
            return Ok(());
        };
        let connected = Instant::now();
        let answer = match Callers::ask(stream) {
            Ok(answer) => answer,
            Err(error) => {
                let after = connected.elapsed();
                return Err(io::Error::other(format!("after {after:?}: {error}")));
            }
        };
        if !answer.ends_with("hello") {
            return Err(io::Error::other(format!("no answer: {answer:?}")));
        }
        answers.fetch_add(1, Ordering::Relaxed);
    }
}
