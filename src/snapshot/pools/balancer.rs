//! How does a written balancer become the rule by which one is made, and the rule for the keys of requests?

use std::time::Duration;

use crate::config::pool::balancer::{
    DEFAULT_DECAY, DEFAULT_KEY, DEFAULT_MAX_LOAD, DEFAULT_POINTS, DEFAULT_TABLE_SIZE,
};
use crate::config::pool::{Balancer, BalancerKind, Choose, Pool as Written};
use crate::config::{Position, Spanned};
use crate::pool::KeyRule;
use crate::pool::balancer::maglev::{LARGEST_TABLE, is_prime, next_prime};
use crate::pool::balancer::{MaxLoad, Rule};
use crate::pool::key::Digest;
use crate::route::key::Purpose;
use crate::snapshot::reporter::Reporter;

/// Compiles it; what is wrong is reported.
pub(super) fn balancer(written: &Written, reporter: &mut Reporter<'_>) -> (Rule, Option<KeyRule>) {
    let settings = &written.balancer.value;
    refuse_strangers(settings, reporter);
    match settings.kind {
        BalancerKind::RoundRobin => (Rule::RoundRobin, None),
        BalancerKind::Random => (Rule::Random, None),
        BalancerKind::LeastRequests => {
            let all = settings
                .choose
                .as_ref()
                .is_some_and(|choose| choose.value == Choose::All);
            (Rule::LeastRequests { all }, None)
        }
        BalancerKind::PeakEwma => {
            let decay = decay(settings, reporter);
            (Rule::PeakEwma { decay }, None)
        }
        BalancerKind::RingHash => {
            let rule = Rule::RingHash {
                points: points(settings, reporter),
                max_load: max_load(settings, reporter),
            };
            (rule, key(settings, Digest::Crc32, reporter))
        }
        BalancerKind::Maglev => {
            let rule = Rule::Maglev {
                table_size: table_size(written, reporter),
                max_load: max_load(settings, reporter),
            };
            (rule, key(settings, Digest::Xxh3, reporter))
        }
    }
}

/// Reports settings that belong to another kind.
fn refuse_strangers(settings: &Balancer, reporter: &mut Reporter<'_>) {
    use BalancerKind::{LeastRequests, Maglev, PeakEwma, RingHash};
    let kind = settings.kind;
    let mut only =
        |key: &str, position: Option<Option<Position>>, kinds: &[BalancerKind], names| {
            if let Some(position) = position
                && !kinds.contains(&kind)
            {
                let at = Spanned {
                    value: (),
                    position,
                };
                let key = format!("balancer.{key}");
                let hint = format!("it belongs to {names}; remove it, or change `kind`");
                reporter.error(&key, &at, "has no effect with this kind", Some(&hint));
            }
        };
    only(
        "choose",
        place(&settings.choose),
        &[LeastRequests],
        "`least_requests`",
    );
    only("decay", place(&settings.decay), &[PeakEwma], "`peak_ewma`");
    let both = [RingHash, Maglev];
    let names = "`ring_hash` and `maglev`";
    only("key", place(&settings.key), &both, names);
    only("max_load", place(&settings.max_load), &both, names);
    only(
        "points",
        place(&settings.points),
        &[RingHash],
        "`ring_hash`",
    );
    only(
        "table_size",
        place(&settings.table_size),
        &[Maglev],
        "`maglev`",
    );
}

/// Where a setting stands, if it is there.
fn place<T>(setting: &Option<Spanned<T>>) -> Option<Option<Position>> {
    setting.as_ref().map(|setting| setting.position.clone())
}

fn decay(settings: &Balancer, reporter: &mut Reporter<'_>) -> Duration {
    if let Some(decay) = settings.decay.as_ref().filter(|decay| decay.is_zero()) {
        reporter.error(
            "balancer.decay",
            decay,
            "with a time of 0 no latency is remembered",
            Some("give a time as `10s`, or choose the balancer `least_requests`"),
        );
    }
    let written = settings.decay.as_ref();
    written
        .map_or(DEFAULT_DECAY, |decay| decay.value)
        .as_duration()
}

fn key(settings: &Balancer, digest: Digest, reporter: &mut Reporter<'_>) -> Option<KeyRule> {
    let Some(text) = &settings.key else {
        return KeyRule::parse(DEFAULT_KEY, digest).ok();
    };
    let rule = KeyRule::parse(&text.value, digest);
    rule.map_err(|error| {
        let message = error.to_string();
        reporter.error(
            "balancer.key",
            text,
            message,
            Some(error.hint(Purpose::Balance)),
        );
    })
    .ok()
}

fn max_load(settings: &Balancer, reporter: &mut Reporter<'_>) -> Option<MaxLoad> {
    let Some(times) = &settings.max_load else {
        return MaxLoad::new(DEFAULT_MAX_LOAD);
    };
    if times.value == 0.0 {
        return None;
    }
    let max_load = MaxLoad::new(times.value);
    if max_load.is_none() {
        let (given, limit) = (times.value, MaxLoad::LIMIT);
        let hint = match given >= limit {
            true => format!("{given} is {given} times the share; write `1.25` for a quarter more"),
            false => "1.25 lets an endpoint have a quarter more than its share; 0 for no bound"
                .to_owned(),
        };
        let message = format!("{given} is not over 1 and below {limit}");
        reporter.error("balancer.max_load", times, message, Some(&hint));
    }
    max_load
}

/// The most points for a unit of weight.
const MOST_POINTS: u32 = 10_000;

fn points(settings: &Balancer, reporter: &mut Reporter<'_>) -> u32 {
    let Some(points) = &settings.points else {
        return DEFAULT_POINTS;
    };
    if !(1..=MOST_POINTS).contains(&points.value) {
        reporter.error(
            "balancer.points",
            points,
            format!("{} is not from 1 to {MOST_POINTS}", points.value),
            Some("160 are as many as nginx has; more make shares more even"),
        );
        return DEFAULT_POINTS;
    }
    points.value
}

fn table_size(written: &Written, reporter: &mut Reporter<'_>) -> u32 {
    let given = &written.balancer.value.table_size;
    let size = given.as_ref().map_or(DEFAULT_TABLE_SIZE, |size| size.value);
    // As many as are written: one that stands for a name may become several.
    let endpoints = u32::try_from(written.endpoints.len()).unwrap_or(u32::MAX);
    let hundred_for = |count: u32| next_prime(count.saturating_mul(100).min(LARGEST_TABLE));
    let even = hundred_for(endpoints);
    if let Some(given) = given
        && !(is_prime(size) && (SMALLEST_TABLE..=LARGEST_TABLE).contains(&size))
    {
        let near = next_prime(size.clamp(SMALLEST_TABLE, LARGEST_TABLE));
        reporter.error(
            "balancer.table_size",
            given,
            format!("{size} is not a prime from {SMALLEST_TABLE} to {LARGEST_TABLE}"),
            Some(&format!("the next prime is {near}")),
        );
        return DEFAULT_TABLE_SIZE;
    }
    if size < even {
        // Not enlarged by itself: with another size nearly every key has another endpoint.
        let at = given.as_ref().map(|given| given.position.clone());
        let at = Spanned {
            value: (),
            position: at.unwrap_or_else(|| written.balancer.position.clone()),
        };
        reporter.warning(
            "balancer.table_size",
            &at,
            format!("{size} places are few for {endpoints} endpoints: their shares are uneven"),
            Some(&format!(
                "a hundred for each are even: `table_size: {even}`; the more, up to {}, the fewer keys of others move when \
                 one comes or goes",
                hundred_for(endpoints.saturating_mul(endpoints))
            )),
        );
    }
    size
}

/// The smallest table that is more than a toy.
const SMALLEST_TABLE: u32 = 11;
