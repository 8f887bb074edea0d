//! How does someone have endpoints checked now, and hear what came of it?

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{Checks, MOST_ORDERS};
use crate::admin::NotFound;

/// How long is waited for results. A check may take longer if its own time-out allows it to.
const LIMIT: Duration = Duration::from_secs(30);

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The endpoint.
    pub endpoint: String,
    /// Whether it passed.
    pub passed: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Whether it counts as healthy, with this check and those before.
    pub healthy: bool,
}

/// Why nothing is checked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such pool, or no such endpoint in it.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The pool has no health checks.
    #[error("pool {0} has no health checks: give it `health`")]
    NotChecked(Arc<str>),
    /// Others have asked, and wait for their results.
    #[error("{MOST_ORDERS} orders are under way; ask again when one of them is answered")]
    Busy,
    /// The process ends.
    #[error("the process is stopping")]
    Stopping,
}

/// The results that are to come, and how many.
type Results = (usize, mpsc::UnboundedReceiver<Checked>);

/// Someone wants endpoints to be checked now.
pub(super) struct Order {
    pub(super) pool: String,
    /// One of them; every one if there is none.
    pub(super) endpoint: Option<String>,
    answer: oneshot::Sender<Result<Results, Refused>>,
}

impl Order {
    pub(super) fn refuse(self, why: impl Into<Refused>) {
        // Who asked may not have waited.
        let _ = self.answer.send(Err(why.into()));
    }

    /// Where the results of so many checks go.
    pub(super) fn accept(self, count: usize) -> mpsc::UnboundedSender<Checked> {
        let (sender, results) = mpsc::unbounded_channel();
        let _ = self.answer.send(Ok((count, results)));
        sender
    }
}

impl Checks {
    /// Has the endpoints of a pool checked now, or one of them, and waits for the results, which count like those of any
    /// other check. Sorted by endpoint; without those that took too long, or were removed meanwhile.
    ///
    /// # Errors
    ///
    /// [`Refused`]: nothing is checked.
    pub async fn now(&self, pool: &str, endpoint: Option<&str>) -> Result<Vec<Checked>, Refused> {
        // Given back when whoever asked is answered, or has gone.
        let _room = self.room.try_acquire().map_err(|_| Refused::Busy)?;
        let (answer, accepted) = oneshot::channel();
        let order = Order {
            pool: pool.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            answer,
        };
        let sent = self.orders.send(order).await;
        sent.map_err(|_| Refused::Stopping)?;
        let (count, mut coming) = accepted.await.map_err(|_| Refused::Stopping)??;
        let mut results = Vec::with_capacity(count);
        let all = async {
            while let Some(result) = coming.recv().await {
                results.push(result);
            }
        };
        // What has come by then is told.
        let _ = tokio::time::timeout(LIMIT, all).await;
        results.sort_by(|one, other| one.endpoint.cmp(&other.endpoint));
        Ok(results)
    }
}
