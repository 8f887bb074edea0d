//! How much memory does the process have now, and does it shed requests? Looked at a few times a second, beside the
//! requests: they read what was found.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::Level;
use tokio::time::MissedTickBehavior;

use crate::admission::memory::resident;
use crate::admission::overload::{Limits, Load, Resource, level, next_level};
use crate::config::ByteSize;
use crate::server::process::Process;
use crate::telemetry::metrics::OverloadMetrics;

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Without a request that is shed for so long, the process has room for requests again.
const CALM: Duration = Duration::from_secs(5);

/// Looks for as long as the process runs.
pub async fn watch(process: Arc<Process>) {
    let mut seen = Seen::default();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let limits = process.snapshot.load().overload;
        let load = &process.state.load;
        let metrics = &process.state.metrics.overload;
        seen.memory(&limits, load, metrics);
        seen.requests(&limits, load, metrics, Instant::now());
    }
}

/// What was found the last times, as far as it is told when it changes.
#[derive(Debug, Default)]
struct Seen {
    /// How many requests were shed for want of room.
    shed: u64,
    /// When that was last so.
    last_shed: Option<Instant>,
    /// Whether it was said that memory can't be measured.
    blind: bool,
}

impl Seen {
    fn memory(&mut self, limits: &Limits, load: &Load, metrics: &OverloadMetrics) {
        let before = load.memory.level();
        let measured = limits.memory.and_then(|limit| {
            let used = resident();
            if used.is_none() && !std::mem::replace(&mut self.blind, true) {
                log::error!("overload.memory: the kernel does not tell how much there is");
            }
            Some((used?, limit))
        });
        let now = measured.map_or(0, |(used, limit)| next_level(before, used, limit));
        load.memory.set(now);
        metrics.used(Resource::Memory, measured, now);
        if now == before {
            return;
        }
        let Some((used, limit)) = measured else {
            return log::info!("overload: there is no limit on memory any more");
        };
        let what = match now {
            0 => "no request is shed any more",
            1 => "requests of low priority are shed",
            2 => "requests of low and normal priority are shed",
            _ => "all requests for pools are shed",
        };
        let (used, limit) = (round(used), ByteSize::bytes(limit));
        let worse = if now > before {
            Level::Warn
        } else {
            Level::Info
        };
        log::log!(worse, "overload: {used} of memory, of {limit}: {what}");
    }

    fn requests(&mut self, limits: &Limits, load: &Load, metrics: &OverloadMetrics, now: Instant) {
        let limit = limits.requests.map(|limit| limit.most);
        let used = load.requests.count();
        let of = limit.map(|limit| (used as u64, limit as u64));
        let now_level = of.map_or(0, |(used, limit)| level(used, limit));
        metrics.used(Resource::Requests, of, now_level);
        let shed = metrics.shed_so_far(Resource::Requests);
        if shed != self.shed {
            if self.last_shed.is_none() {
                let limit = limit.unwrap_or_default();
                log::warn!("overload: {used} requests under way, of {limit}: requests are shed");
            }
            self.shed = shed;
            self.last_shed = Some(now);
        } else if self
            .last_shed
            .is_some_and(|last| now.duration_since(last) >= CALM)
        {
            self.last_shed = None;
            log::info!("overload: {used} requests under way: none is shed any more");
        }
    }
}

/// Without the odd bytes.
fn round(bytes: u64) -> ByteSize {
    ByteSize::bytes(bytes >> 20 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Priority;
    use crate::telemetry::Metrics;

    #[test]
    fn memory_beyond_the_limit_sheds_and_a_limit_that_is_gone_does_not() {
        let metrics = Metrics::new().expect("metrics");
        let (load, mut seen) = (Load::default(), Seen::default());
        let limited = |memory| Limits {
            memory,
            ..Limits::default()
        };
        seen.memory(&limited(Some(1 << 20)), &load, &metrics.overload);
        assert!(load.memory.sheds(Priority::High));
        seen.memory(&limited(Some(1 << 50)), &load, &metrics.overload);
        assert!(!load.memory.sheds(Priority::Low));
        seen.memory(&limited(Some(1 << 20)), &load, &metrics.overload);
        seen.memory(&limited(None), &load, &metrics.overload);
        assert!(!load.memory.sheds(Priority::Low));
    }

    #[test]
    fn that_requests_are_shed_is_told_once_until_it_was_calm() {
        let metrics = Metrics::new().expect("metrics");
        let metrics = &metrics.overload;
        let (load, limits, mut seen) = (Load::default(), Limits::default(), Seen::default());
        let start = Instant::now();
        metrics.shed(Resource::Requests, Priority::Low);
        seen.requests(&limits, &load, metrics, start);
        assert_eq!(seen.last_shed, Some(start));
        metrics.shed(Resource::Requests, Priority::Low);
        let later = start + CALM;
        seen.requests(&limits, &load, metrics, later);
        assert_eq!(seen.last_shed, Some(later));
        seen.requests(&limits, &load, metrics, later + CALM - EVERY);
        assert_eq!(seen.last_shed, Some(later), "not yet calm");
        seen.requests(&limits, &load, metrics, later + CALM);
        assert_eq!(seen.last_shed, None);
    }
}
