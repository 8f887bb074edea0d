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

/// That what is asked for is answered at once: of 101 answers half within 10 ms, and nine of ten within 100 ms. `ask`
/// says how long one took. A machine that is busy with something else may spoil two rounds of three.
pub async fn at_once(mut ask: impl AsyncFnMut() -> Duration) {
    let mut told = Vec::new();
    for _ in 0..3 {
        let mut took = Vec::new();
        for _ in 0..101 {
            took.push(ask().await);
        }
        took.sort_unstable();
        if took[50] < Duration::from_millis(10) && took[90] < Duration::from_millis(100) {
            return;
        }
        told.push((took[50], took[90]));
    }
    panic!("the median and the 91st of 101: {told:?}");
}
