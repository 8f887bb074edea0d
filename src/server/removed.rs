//! What becomes of addresses that host names have lost? Their memory and their idle connections go, as after a reload.

use std::sync::Arc;
use std::time::Duration;

use crate::server::process::Process;

/// The pause after each time: of thousands of names, some change every moment, and each time all endpoints are listed.
const PAUSE: Duration = Duration::from_secs(1);

/// Forgets endpoints that pools have lost without a reload; never resolves.
pub async fn forget(process: Arc<Process>) {
    loop {
        process.state.addresses_changed.notified().await;
        process.state.endpoints.forget_unused();
        process.forget_endpoints();
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::sync::mpsc;

    use super::*;
    use crate::server::checks::tests::process;
    use crate::server::door::doors::Doors;
    use crate::server::worker::Task;

    #[tokio::test]
    async fn workers_are_told_once_a_second_which_endpoints_there_are() {
        let process = process(
            "listeners: [{ name: web, address: '127.0.0.1:0' }]\n\
             routes: [{ name: all, pool: p }]\n\
             pools: [{ name: p, endpoints: ['127.0.0.1:1'] }]\n",
        );
        let (worker, mut told) = mpsc::unbounded_channel();
        *process.doors() = Doors::new(vec![worker]);
        tokio::spawn(forget(Arc::clone(&process)));
        let changed = &process.state.addresses_changed;
        let began = Instant::now();
        for round in 0..2 {
            // While it pauses, many changes are one.
            (0..100).for_each(|_| changed.notify_one());
            let Some(Task::KeepEndpoints(known)) = told.recv().await else {
                panic!("no word about endpoints");
            };
            assert_eq!(*known, process.snapshot.load().peers());
            assert!(began.elapsed() >= PAUSE * round, "too soon");
        }
    }
}
