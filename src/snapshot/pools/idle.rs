//! Which settings of a pool do nothing, or not what they seem to?

use crate::config::Config;
use crate::config::pool::{Pool as Written, Retries};
use crate::snapshot::reporter::Reporter;

/// Warns of settings that are sensible by themselves, but not together.
pub(super) fn warn(written: &Written, config: &Config, reporter: &mut Reporter<'_>) {
    panic_threshold(written, reporter);
    retries(written, config, reporter);
    backups(written, reporter);
}

/// It is health and ejections that are looked past.
fn panic_threshold(written: &Written, reporter: &mut Reporter<'_>) {
    let threshold = &written.panic_threshold;
    if threshold.value.get() > 0 && written.health.is_none() && written.ejection.is_none() {
        reporter.warning(
            "panic_threshold",
            threshold,
            "nothing makes an endpoint unhealthy, so there is nothing to look past",
            Some("give the pool `health` or `ejection`, or take `panic_threshold` away"),
        );
    }
}

/// What is said about retries where none are made: unless a route makes some, for which it holds.
fn retries(written: &Written, config: &Config, reporter: &mut Reporter<'_>) {
    let retries = &written.retries;
    let usual = Retries::default();
    let others = Retries {
        limit: usual.limit.clone(),
        ..retries.clone()
    };
    let mut routes = config.routes.iter();
    let made_by_a_route = routes.any(|route| {
        let pool = route.pool.as_ref();
        let limit = route.retries.limit.as_ref();
        pool.is_some_and(|pool| pool.value == written.name.value)
            && limit.is_some_and(|limit| limit.value > 0)
    });
    if retries.limit.value == 0 && others != usual && !made_by_a_route {
        reporter.warning(
            "retries.limit",
            &retries.limit,
            "no retries are made, so nothing else about them has an effect",
            Some("give a `limit` of 1 or more, or take the other keys away"),
        );
    }
}

/// Backups of nobody.
fn backups(written: &Written, reporter: &mut Reporter<'_>) {
    let all = written.endpoints.iter();
    if let Some(first) = written.endpoints.first()
        && all.map(|one| one.value.settings()).all(|one| one.backup)
    {
        reporter.warning(
            "endpoints",
            first,
            "every endpoint is a backup, so they are used from the first request on",
            Some("take `backup` away from those that come first"),
        );
    }
}
