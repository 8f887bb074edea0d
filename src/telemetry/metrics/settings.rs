//! What may the configuration say of the metrics?

use super::Metrics;

/// What a process keeps from its first configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Upper bounds of the buckets of whole requests, in seconds; increasing.
    pub request: Vec<f64>,
    /// Of what connecting to an endpoint takes.
    pub connect: Vec<f64>,
    /// Of what the first byte of an answer takes.
    pub first_byte: Vec<f64>,
    /// Of the time in a pool's queue.
    pub queue: Vec<f64>,
    /// How many endpoints have series of their own.
    pub endpoints: usize,
}

impl Default for Settings {
    fn default() -> Self {
        const ANSWER: [f64; 15] = [
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
            60.0,
        ];
        Self {
            request: ANSWER.into(),
            // Much less than an answer takes, if the endpoint is near.
            connect: vec![
                0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0,
                30.0, 60.0,
            ],
            first_byte: ANSWER.into(),
            queue: ANSWER.into(),
            endpoints: 2_000,
        }
    }
}

impl Metrics {
    /// Takes the settings of the first configuration that is compiled, before it asks for its series. Those of later ones
    /// are not looked at: a reload that would change them is refused.
    pub fn settle(&self, settings: &Settings) {
        self.settled.call_once(|| {
            self.routes.family().duration.choose(&settings.request);
            let pools = self.pools.family();
            pools.connect.choose(&settings.connect);
            pools.first_byte.choose(&settings.first_byte);
            pools.queue_wait.choose(&settings.queue);
            self.endpoints.set_limit(settings.endpoints);
            self.checks.set_limit(settings.endpoints);
            self.breakers.set_limit(settings.endpoints);
            self.ejections.set_limit(settings.endpoints);
        });
    }
}
