//! How does a test wait for a fact, without hanging when it never comes?

use std::future::Future;
use std::time::{Duration, Instant};

/// How long a fact may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(15);

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `look` gives true; panics with `what` when it never does.
pub async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    eventually_some(what, async || look().await.then_some(())).await;
}

/// Waits until `look` gives something, and gives that; panics with `what` when it never does.
pub async fn eventually_some<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "never came true: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The future's output; panics with `what` when it is not there in time.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("took more than {PATIENCE:?}: {what}"),
    }
}
