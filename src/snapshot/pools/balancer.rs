//! Which rule do the written words about the balancer make, and which of them belong to another kind?

use super::{Reporter, Written};
use crate::config::Spanned;
use crate::config::pool::{Balancer, BalancerKind, Choose};
use crate::pool::balancer::Rule;

/// The rule by which the pool chooses an endpoint.
pub(super) fn balancer(written: &Written, reporter: &mut Reporter<'_>) -> Rule {
    let Balancer {
        kind,
        choose,
        decay,
    } = &written.balancer.value;
    if *kind != BalancerKind::LeastRequests {
        belongs_to("choose", choose, "least_requests", reporter);
    }
    if *kind != BalancerKind::PeakEwma {
        belongs_to("decay", decay, "peak_ewma", reporter);
    }
    match kind {
        BalancerKind::RoundRobin => Rule::RoundRobin,
        BalancerKind::Random => Rule::Random,
        BalancerKind::LeastRequests => Rule::LeastRequests {
            all: choose
                .as_ref()
                .is_some_and(|choose| choose.value == Choose::All),
        },
        BalancerKind::PeakEwma => {
            if let Some(decay) = decay.as_ref().filter(|decay| decay.is_zero()) {
                reporter.error(
                    "balancer.decay",
                    decay,
                    "with a time of 0 no latency is remembered",
                    Some("give a time as `10s`, or choose the balancer `least_requests`"),
                );
            }
            let decay = decay.as_ref().map_or(Balancer::DECAY, |decay| decay.value);
            Rule::PeakEwma {
                decay: decay.as_duration(),
            }
        }
    }
}

/// Refuses a key that another kind of balancer has.
fn belongs_to<T>(key: &str, value: &Option<Spanned<T>>, kinds: &str, reporter: &mut Reporter<'_>) {
    if let Some(value) = value {
        reporter.error(
            &format!("balancer.{key}"),
            value,
            format!("`{key}` has no effect with this balancer"),
            Some(&format!("leave it out, or choose `kind: {kinds}`")),
        );
    }
}
