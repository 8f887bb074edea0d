//! Which former generations still have users? Their memory goes with the last one, and on a thread that serves nobody:
//! a large generation takes a moment to take apart.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;
use tokio::sync::mpsc;

use crate::snapshot::Snapshot;

/// How often the last user is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Takes generations that are not in force any more, and resolves with the last sender. `alive` shows how many
/// generations there are with the one in force; `freed` is called when some have gone.
pub async fn keep(
    mut retired: mpsc::UnboundedReceiver<Arc<Snapshot>>,
    alive: IntGauge,
    freed: impl Fn(),
) {
    let mut kept: Vec<Arc<Snapshot>> = Vec::new();
    loop {
        let arrived = if kept.is_empty() {
            retired.recv().await
        } else {
            match tokio::time::timeout(LOOK_EVERY, retired.recv()).await {
                Ok(arrived) => arrived,
                Err(_) => {
                    let_go(&mut kept, &freed);
                    alive.set(count(&kept));
                    continue;
                }
            }
        };
        let Some(snapshot) = arrived else {
            return;
        };
        // Before the next one: reloads in quick succession must not gather generations that nobody uses.
        let_go(&mut kept, &freed);
        kept.push(snapshot);
        alive.set(count(&kept));
    }
}

/// Takes apart what has no other user.
fn let_go(kept: &mut Vec<Arc<Snapshot>>, freed: &impl Fn()) {
    let before = kept.len();
    kept.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    if kept.len() < before {
        freed();
    }
}

/// Those, and the one in force.
fn count(kept: &[Arc<Snapshot>]) -> i64 {
    i64::try_from(kept.len() + 1).unwrap_or(i64::MAX)
}
