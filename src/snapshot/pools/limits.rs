//! How do written limits become those of a pool, and which of them make no sense?

use crate::config::Spanned;
use crate::config::pool::Pool as Written;
use crate::config::pool::limits::Limits as WrittenLimits;
use crate::pool::Limits;
use crate::pool::discovery::Spot;
use crate::pool::limits::LOOK_EVERY;
use crate::snapshot::reporter::Reporter;

/// The limits of a pool with these endpoints; `None` if there is none.
pub(super) fn limits(
    written: &Written,
    spots: &[Spot],
    reporter: &mut Reporter<'_>,
) -> Option<Limits> {
    let limits = &written.limits;
    if limits.queue.value > 0 && limits.queue_timeout.is_zero() {
        reporter.error(
            "limits.queue_timeout",
            &limits.queue_timeout,
            "nobody can wait for a time of 0",
            Some("give a time as `5s`, or `queue: 0` to refuse at once what is too much"),
        );
    }
    let (all, each) = (limits.requests.value, limits.endpoint_requests.value);
    if all > 0 && each > all {
        reporter.warning(
            "limits.endpoint_requests",
            &limits.endpoint_requests,
            format!("no endpoint ever serves {each} requests at once: the whole pool serves {all}"),
            None,
        );
    }
    let requests = limit(all);
    if requests.is_none() && spots.iter().all(|spot| spot.max_requests.is_none()) {
        let usual = WrittenLimits::default();
        for (key, position, changed) in [
            (
                "limits.queue",
                &limits.queue.position,
                limits.queue.value != usual.queue.value,
            ),
            (
                "limits.queue_timeout",
                &limits.queue_timeout.position,
                limits.queue_timeout.value != usual.queue_timeout.value,
            ),
        ] {
            if changed {
                let at = Spanned {
                    value: (),
                    position: position.clone(),
                };
                reporter.warning(key, &at, "without a limit nobody ever waits", None);
            }
        }
        return None;
    }
    Some(Limits {
        requests,
        queue: usize::try_from(limits.queue.value).unwrap_or(usize::MAX),
        queue_timeout: limits.queue_timeout.as_duration(),
        look_every: LOOK_EVERY,
    })
}

/// How many requests an endpoint may serve at once: its own limit, else that of each of its pool.
pub(super) fn of_endpoint(own: u32, written: &Written) -> Option<u32> {
    limit(own).or(limit(written.limits.endpoint_requests.value))
}

/// 0 stands for no limit.
fn limit(most: u32) -> Option<u32> {
    Some(most).filter(|most| *most > 0)
}
