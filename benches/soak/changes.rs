//! What changes while the clients are at it?

use std::time::{Duration, Instant};

use crate::site::Site;

/// The pause between two reloads.
const RELOAD_EVERY: Duration = Duration::from_secs(3);

/// Of so many reloads one has a mistake in its configuration.
const MISTAKE_EVERY: u32 = 4;

/// How long an endpoint is gone, and how long all are there.
const GONE_FOR: Duration = Duration::from_secs(2);
const THERE_FOR: Duration = Duration::from_secs(4);

/// Reloads until the time is over; how often.
pub async fn reload_every_few_seconds(site: &Site, length: Duration) -> u32 {
    let started = Instant::now();
    let mut reloads: u32 = 0;
    while started.elapsed() + RELOAD_EVERY < length {
        tokio::time::sleep(RELOAD_EVERY).await;
        reloads += 1;
        if reloads.is_multiple_of(MISTAKE_EVERY) {
            site.rejected(reloads).await;
        } else {
            site.apply(reloads).await;
        }
    }
    reloads
}

/// Kills one endpoint after the other, and starts it again where it was; how often.
pub async fn endpoints_come_and_go(site: &Site, length: Duration) -> u32 {
    let started = Instant::now();
    let mut kills = 0;
    while started.elapsed() + GONE_FOR + THERE_FOR < length {
        tokio::time::sleep(THERE_FOR).await;
        let number = kills as usize % site.frail();
        site.kill(number).await;
        tokio::time::sleep(GONE_FOR).await;
        site.start_again(number).await;
        kills += 1;
    }
    kills
}
