//! When is a second endpoint asked while the first has not answered: are the written rules sensible?

use super::checks::not_zero;
use crate::config::pool::Pool as Written;
use crate::config::pool::hedging::HedgeAfter;
use crate::pool::budget::Share;
use crate::pool::hedging::{After, Hedging};
use crate::pool::{PoolState, Protocol};
use crate::snapshot::reporter::Reporter;

/// The rules of a pool; `None` if its requests are never asked twice.
pub(super) fn compile(
    written: &Written,
    protocol: Protocol,
    memory: &PoolState,
    reporter: &mut Reporter<'_>,
) -> Option<Hedging> {
    let given = written.hedging.as_ref()?;
    let hedging = &given.value;
    if protocol == Protocol::Http2 {
        reporter.error(
            "hedging",
            given,
            "requests to HTTP/2 endpoints are not asked twice",
            Some("take `hedging` away, or speak HTTP/1.1 with the endpoints"),
        );
    }
    let after = match hedging.after.value {
        HedgeAfter::P95 => After::P95(memory.first_bytes()),
        HedgeAfter::Time(time) => {
            if time.is_zero() {
                reporter.error(
                    "hedging.after",
                    &hedging.after,
                    "every request would be asked twice at once",
                    Some("write `p95`, or a time as `50ms`"),
                );
            }
            After::Fixed(time.as_duration())
        }
    };
    not_zero(
        "hedging.budget",
        &hedging.budget,
        "5 is usual; to ask nobody twice, take `hedging` away",
        reporter,
    );
    Some(Hedging {
        after,
        budget: Share {
            percent: hedging.budget.value.get().into(),
            min_per_second: 0,
        },
    })
}
