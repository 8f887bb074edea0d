//! Which endpoint does chance choose, each as often as its weight says?

use std::sync::Arc;

use super::Balancer;
use super::draw::Draw;
use crate::pool::{Ask, Endpoint};

/// Chance, by weight.
#[derive(Debug)]
pub struct Random {
    draw: Draw,
}

impl Random {
    /// Chance among these endpoints.
    pub fn new(endpoints: &[Arc<Endpoint>]) -> Self {
        Self {
            draw: Draw::new(endpoints),
        }
    }
}

impl Balancer for Random {
    fn pick(&self, endpoints: &[Arc<Endpoint>], ask: &Ask<'_>) -> Option<usize> {
        self.draw.one(endpoints, ask)
    }
}
