//! Who owns the connections of an origin, and what ends them?

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::listening::{Closer, Listening, Place, Socket};

/// Pause after a failed accept, which is most often a lack of file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// A running accept loop. Dropping it refuses new connections at once and closes the open ones as
/// soon as the runtime gets to them.
#[derive(Debug)]
pub(crate) struct Accepting {
    address: Option<SocketAddr>,
    task: JoinHandle<()>,
    /// Dropped before `stop`, so that nobody is let in by the stopping loop.
    closer: Closer,
    /// The loop and its connections end when this is gone.
    stop: oneshot::Sender<()>,
}

impl Accepting {
    /// Binds `place` and runs `converse` with every connection and the name of its peer.
    pub(crate) async fn start<C, F>(place: Place, converse: C) -> io::Result<Self>
    where
        C: Fn(Socket, String) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listening = Listening::bind(&place).await?;
        let address = listening.address();
        let closer = listening.closer(place)?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listening, converse, stopped));
        Ok(Self {
            address,
            task,
            closer,
            stop,
        })
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// As dropping it, and returns once the connections are closed.
    pub(crate) async fn stop(self) {
        drop(self.closer);
        drop(self.stop);
        // It fails only if the task panicked or the runtime is ending: closed either way.
        let _ = self.task.await;
    }
}

async fn accept<C, F>(listening: Listening, converse: C, mut stopped: oneshot::Receiver<()>)
where
    C: Fn(Socket, String) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    // Aborting the tasks, rather than telling each to end, costs a connection nothing per poll.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listening.accept() => match accepted {
                Ok((socket, peer)) => {
                    connections.spawn(converse(socket, peer));
                }
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN_AFTER).await,
            },
        }
    }
    drop(listening);
    connections.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn dropping_it_refuses_new_connections_at_once_and_closes_open_ones() {
        let place = Place::Tcp("127.0.0.1:0".to_owned());
        let accepting = Accepting::start(place, |socket, _| async move {
            let _held = socket;
            pending::<()>().await;
        })
        .await
        .expect("a free port");
        let address = accepting.address().expect("an address");
        let mut open = TcpStream::connect(address).await.expect("accepted");
        // Lets the loop take the connection out of the backlog.
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(accepting);
        let error = TcpStream::connect(address).await.expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(open.read(&mut [0]).await.expect("closed"), 0);
    }
}
