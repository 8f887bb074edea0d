//! How does the process end without anyone noticing? Readiness goes first, then the doors, then who waits, and the last
//! request ends the process; the grace bounds it all.

use std::sync::Arc;
use std::time::Duration;

use crate::server::door::stay::{PARTING, Word};
use crate::server::door::{Door, HANDSHAKES};
use crate::server::process::{Process, Successor};
use crate::snapshot::Life;

/// How long WebSockets may take to say goodbye when the grace is over.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why the process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody wants it to.
    Asked,
    /// Another process has taken over.
    Succeeded(Successor),
}

/// Lets everyone finish, and resolves when they have, or when the grace is over.
pub async fn end(process: &Process, cause: &Cause) {
    let life = process.snapshot.load().life;
    process.readiness.set_serving(false);
    process.doors().tell_all(Word::Last);
    let grace = match cause {
        Cause::Asked => {
            wait_for_balancers(process, &life).await;
            // Whoever watches the service takes its end for that of this process.
            process.stop_former();
            life.grace
        }
        Cause::Succeeded(_) => life.upgrade_grace,
    };
    let doors = close_doors(process);
    let ended = tokio::time::timeout(grace, async {
        for door in &doors {
            door.shut().await;
        }
        let connections = process.live.count();
        log::info!("{connections} connections have {grace:?} to end");
        if matches!(cause, Cause::Succeeded(_)) {
            // The next request of a waiting connection is the last one here; there is no hurry.
            let _ = tokio::time::timeout(PARTING, process.live.none_left()).await;
            process.doors().tell_all(Word::Leave);
        } else {
            process.doors().tell_all(Word::Close);
        }
        process.live.none_left().await;
        // What the one before it hears, and tells, goes through this process.
        process.alone().await;
    });
    if ended.await.is_ok() {
        log::info!("every connection has ended");
        return;
    }
    log::warn!(
        "the grace is over; {} connections are cut",
        process.live.count()
    );
    process.doors().tell_all(Word::Goodbye);
    // Who is still there after that has had its chance.
    let _ = tokio::time::timeout(GOODBYE, process.live.none_left()).await;
}

async fn wait_for_balancers(process: &Process, life: &Life) {
    if !life.stop_delay.is_zero() && !process.doors().are_closed() {
        log::info!(
            "not ready any more; connections are accepted for another {:?}",
            life.stop_delay
        );
        tokio::time::sleep(life.stop_delay).await;
    }
}

/// Closes the doors, and gives those that were open until now. The files of Unix sockets go, except those of a successor:
/// whether there is one is asked here, for somebody may want the process to end while it hands over.
pub fn close_doors(process: &Process) -> Vec<Arc<Door>> {
    let queue = |door: &Door| process.queue_at(door.key(), HANDSHAKES);
    process.doors().close_all(queue)
}
