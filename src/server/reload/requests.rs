//! Who asks for a reload, and who waits for what comes of it?

use tokio::sync::{mpsc, oneshot};

use crate::admin::ReloadReport;

/// How many may wait for a reload at once.
const WAITING: usize = 64;

/// Where reloads are asked for.
#[derive(Clone, Debug)]
pub struct Reloads(mpsc::Sender<Request>);

#[derive(Debug)]
pub(super) struct Request {
    /// In a few words, for the log.
    pub(super) who: String,
    /// Who waits for what comes of it, if anybody does.
    pub(super) answer: Option<oneshot::Sender<ReloadReport>>,
}

impl Reloads {
    /// A place to ask, and the requests that come of it.
    pub fn new() -> (Self, Requests) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), Requests(receiver))
    }

    /// Asks for a reload and does not wait for it.
    pub fn request(&self, who: &str) {
        let request = Request {
            who: who.to_owned(),
            answer: None,
        };
        // If that many wait already, the next reload is theirs and this one's.
        let _ = self.0.try_send(request);
    }

    /// Asks for a reload and waits for what comes of it; `None` if the process ends before.
    pub async fn ask(&self, who: String) -> Option<ReloadReport> {
        let (sender, answer) = oneshot::channel();
        let request = Request {
            who,
            answer: Some(sender),
        };
        self.0.send(request).await.ok()?;
        answer.await.ok()
    }
}

/// Requests for a reload.
pub struct Requests(mpsc::Receiver<Request>);

impl Requests {
    /// The next request, with all others that have come.
    pub(super) async fn next(&mut self) -> Option<Vec<Request>> {
        let mut requests = vec![self.0.recv().await?];
        while let Ok(more) = self.0.try_recv() {
            requests.push(more);
        }
        Some(requests)
    }
}
