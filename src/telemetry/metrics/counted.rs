//! How many of a thing are there just now?

use std::borrow::Borrow;

use prometheus::IntGauge;

/// Counts one thing in a gauge for as long as it lives: whatever ends it, a panic too, takes it out again. Who outlives
/// the gauge's holder has a gauge of its own; others borrow it.
#[derive(Debug)]
pub struct Counted<G: Borrow<IntGauge> = IntGauge>(G);

impl<G: Borrow<IntGauge>> Counted<G> {
    /// One more in `gauge`.
    pub fn new(gauge: G) -> Self {
        gauge.borrow().inc();
        Self(gauge)
    }
}

impl<G: Borrow<IntGauge>> Drop for Counted<G> {
    fn drop(&mut self) {
        self.0.borrow().dec();
    }
}
