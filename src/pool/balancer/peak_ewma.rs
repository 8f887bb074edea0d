//! Which endpoint will answer soonest?
//!
//! That is told by how long its answers [take](crate::pool::latency) and how many requests it has in flight.
//!
//! The better of two that are drawn by weight; what it costs to wait is the latency × (requests in flight + 1) / weight, as
//! with Finagle's "Peak EWMA". An endpoint of which nothing is known is asked once, and not again before it has answered.

use std::sync::Arc;
use std::time::Duration;

use super::Balancer;
use super::draw::{Draw, weight};
use crate::pool::{Ask, Endpoint};

/// Lowest latency.
#[derive(Debug)]
pub struct PeakEwma {
    draw: Draw,
    decay: Duration,
}

/// The latency of an endpoint that has been asked and has never answered, in microseconds: longer than any.
const SILENT: f64 = 1e12;

impl PeakEwma {
    /// The better of two of these endpoints. `decay` is the time constant with which past latencies fade.
    pub fn new(endpoints: &[Arc<Endpoint>], decay: Duration) -> Self {
        Self {
            draw: Draw::new(endpoints),
            decay,
        }
    }

    fn latency(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> f64 {
        let latency = &endpoint.state.latency;
        match latency.expected(self.decay, ask.now) {
            Some(micros) => f64::from(micros),
            None if latency.waiting() == 0 => 0.0,
            None => SILENT,
        }
    }
}

impl Balancer for PeakEwma {
    fn pick(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize> {
        let (first, second) = self.draw.two(endpoints, ask)?;
        let Some(second) = second else {
            return Some(first);
        };
        let pair = [first, second].map(|index| &endpoints[index]);
        let in_flight = pair.map(|endpoint| endpoint.state.in_flight());
        let [one, other] = [0, 1].map(|which| {
            let latency = self.latency(pair[which], ask);
            if in_flight == [0, 0] {
                // The weight is in the draw already, and there is no work to be shared out.
                latency
            } else {
                let requests = f64::from(in_flight[which]) + 1.0;
                latency * requests / weight(pair[which], ask.now) as f64
            }
        });
        Some(if other < one { second } else { first })
    }
}
