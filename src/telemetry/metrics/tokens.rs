//! What is told of tokens and of the keys that they are verified with? Only of routes that ask for a token.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::families::{counter, remove_counter};
use super::live::{Family, Handle};

/// The metrics of one route that asks for a token.
pub type TokenMetrics = Handle<Tokens>;
/// The metrics of one address that keys are fetched from.
pub type KeySourceMetrics = Handle<KeySources>;

/// The values of `result` of tokens.
const RESULTS: [&str; 5] = ["cached", "verified", "missing", "refused", "no_keys"];
/// The values of `result` of fetches.
const FETCHES: [&str; 2] = ["failed", "ok"];

/// The metrics of tokens, labelled by route.
pub struct Tokens {
    pub(super) tokens: IntCounterVec,
}

/// What a [`TokenMetrics`] gives access to.
pub struct TokenSeries {
    /// Good ones that were verified before.
    pub cached: IntCounter,
    /// Good ones.
    pub verified: IntCounter,
    /// Requests without one.
    pub missing: IntCounter,
    /// Ones that are not good.
    pub refused: IntCounter,
    /// Ones that nobody can judge, because no keys were fetched yet.
    pub no_keys: IntCounter,
}

impl Family for Tokens {
    type Series = TokenSeries;

    fn resolve(&self, labels: &[&str]) -> TokenSeries {
        let [cached, verified, missing, refused, no_keys] =
            RESULTS.map(|result| counter(&self.tokens, labels, result));
        TokenSeries {
            cached,
            verified,
            missing,
            refused,
            no_keys,
        }
    }

    fn remove(&self, labels: &[&str]) {
        for result in RESULTS {
            remove_counter(&self.tokens, labels, result);
        }
    }
}

/// The metrics of addresses that keys are fetched from, labelled by the address.
pub struct KeySources {
    pub(super) fetches: IntCounterVec,
    pub(super) keys: IntGaugeVec,
    pub(super) failing: IntGaugeVec,
}

/// What a [`KeySourceMetrics`] gives access to.
pub struct KeySourceSeries {
    fetches: [IntCounter; FETCHES.len()],
    keys: IntGauge,
    failing: IntGauge,
}

impl KeySourceSeries {
    /// It has given so many keys.
    pub fn answered(&self, keys: usize) {
        self.fetches[1].inc();
        self.keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
        self.failing.set(0);
    }

    /// It has given none; those that it gave before stay.
    pub fn failed(&self) {
        self.fetches[0].inc();
        self.failing.set(1);
    }
}

impl Family for KeySources {
    type Series = KeySourceSeries;

    fn resolve(&self, labels: &[&str]) -> KeySourceSeries {
        KeySourceSeries {
            fetches: FETCHES.map(|result| counter(&self.fetches, labels, result)),
            keys: self.keys.with_label_values(labels),
            failing: self.failing.with_label_values(labels),
        }
    }

    fn remove(&self, labels: &[&str]) {
        for result in FETCHES {
            remove_counter(&self.fetches, labels, result);
        }
        // Removing fails only for a series that is not there.
        let _ = self.keys.remove_label_values(labels);
        let _ = self.failing.remove_label_values(labels);
    }
}
