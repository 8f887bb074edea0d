//! Which keys has an address given, and when is it to be asked again?
//!
//! This is memory: it outlives a reload, and routes with the same address share it. Who asks is
//! [`upstream::key_sets`](crate::upstream::key_sets).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::keys::KeySet;
use crate::telemetry::metrics::KeySourceMetrics;

/// At least so long after a question begins the next one, however many tokens name unknown keys meanwhile.
pub const PAUSE: Duration = Duration::from_secs(5);
/// How long after the first failure the address is asked again; twice as long after each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest that this becomes.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// The keys that an address has given.
pub struct KeySource {
    /// The address as it is told: without its query, which may hold a secret.
    pub name: Arc<str>,
    /// Its metrics.
    pub metrics: KeySourceMetrics,
    keys: ArcSwapOption<KeySet>,
    wanted: AtomicBool,
    wakes: Notify,
    asked: Mutex<Asked>,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// When it was asked last.
    at: Option<Instant>,
    /// Whether that has no end yet; if nobody is at it any more, it never gets one.
    pending: bool,
    /// How often in a row it failed.
    failures: u32,
}

/// What an answer has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There are other keys.
    Keys(usize),
    /// The address answers again; the keys are the same.
    Back,
    /// It has begun to fail.
    Failing,
    /// Nothing.
    None,
}

impl KeySource {
    /// An address that was not asked yet.
    pub fn new(name: Arc<str>, metrics: KeySourceMetrics) -> Self {
        Self {
            name,
            metrics,
            keys: ArcSwapOption::empty(),
            wanted: AtomicBool::new(false),
            wakes: Notify::new(),
            asked: Mutex::default(),
        }
    }

    /// The keys; `None` if there never was an answer.
    pub fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.load_full()
    }

    /// Whether there are keys.
    pub fn has_keys(&self) -> bool {
        self.keys.load().is_some()
    }

    /// Takes note that a token names a key that is not known: perhaps there are new ones.
    pub fn want(&self) {
        if !self.wanted.swap(true, Ordering::Relaxed) {
            self.wakes.notify_one();
        }
    }

    /// Waits until it is time to ask: when `refresh` is over, after a failure sooner, or when a token names an unknown key.
    pub async fn due(&self, refresh: Duration) {
        let asked = *self.lock();
        // A reload may have ended the task that was about to hear the answer.
        let Some(at) = asked.at.filter(|_| !asked.pending) else {
            return;
        };
        let wait = asked.wait(refresh, fastrand::f64());
        let wanted = async {
            while !self.wanted.load(Ordering::Relaxed) {
                self.wakes.notified().await;
            }
            tokio::time::sleep_until(at + PAUSE).await;
        };
        tokio::select! {
            () = tokio::time::sleep_until(at + wait) => {}
            () = wanted => {}
        }
    }

    /// Takes note that it is asked now.
    pub fn begin(&self, now: Instant) {
        let mut asked = self.lock();
        asked.at = Some(now);
        asked.pending = true;
        drop(asked);
        self.wanted.store(false, Ordering::Relaxed);
    }

    /// Takes note of an answer.
    pub fn answered(&self, keys: KeySet) -> Change {
        let was_failing = self.ended(true) > 0;
        self.metrics.answered(keys.len());
        let same = self.keys.load().as_ref().map(|known| *known.version()) == Some(*keys.version());
        if same {
            return if was_failing {
                Change::Back
            } else {
                Change::None
            };
        }
        let count = keys.len();
        self.keys.store(Some(Arc::new(keys)));
        Change::Keys(count)
    }

    /// Takes note that there was no answer, or none that can be used; the keys that are known stay.
    pub fn failed(&self) -> Change {
        self.metrics.failed();
        if self.ended(false) == 0 {
            Change::Failing
        } else {
            Change::None
        }
    }

    /// How often it failed before this.
    fn ended(&self, is_ok: bool) -> u32 {
        let mut asked = self.lock();
        asked.pending = false;
        let before = asked.failures;
        asked.failures = if is_ok { 0 } else { before.saturating_add(1) };
        before
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    /// How long after the last question the next one is asked; `dice`, from 0 to 1, spreads those of many processes.
    fn wait(self, refresh: Duration, dice: f64) -> Duration {
        let wait = match self.failures {
            0 => refresh,
            failures => {
                let doubled = FIRST_RETRY.saturating_mul(1 << (failures - 1).min(10));
                doubled.min(LAST_RETRY).min(refresh)
            }
        };
        wait.mul_f64(0.9 + 0.1 * dice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    fn source() -> KeySource {
        let metrics = Metrics::new().expect("metrics");
        KeySource::new(
            "https://id.test/jwks".into(),
            metrics.key_source("https://id.test/jwks"),
        )
    }

    fn set(id: &str) -> KeySet {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let text =
            format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{id}","x":"{x}"}}]}}"#);
        KeySet::of_jwks(text.as_bytes()).expect("a set")
    }

    #[test]
    fn each_change_is_told_once() {
        let source = source();
        assert_eq!(source.failed(), Change::Failing);
        assert_eq!(source.failed(), Change::None);
        assert!(!source.has_keys());
        assert_eq!(source.answered(set("a")), Change::Keys(1));
        assert_eq!(source.answered(set("a")), Change::None);
        assert_eq!(source.failed(), Change::Failing);
        assert!(source.has_keys());
        assert_eq!(source.answered(set("a")), Change::Back);
        let before = source.keys().expect("keys");
        assert_eq!(source.answered(set("a")), Change::None);
        assert!(Arc::ptr_eq(&before, &source.keys().expect("keys")));
        assert_eq!(source.answered(set("b")), Change::Keys(1));
    }

    #[test]
    fn after_failures_it_is_asked_sooner_and_then_less_and_less() {
        let refresh = Duration::from_secs(600);
        let with = |failures| Asked {
            failures,
            ..Asked::default()
        };
        let wait = |failures, dice| with(failures).wait(refresh, dice);
        assert_eq!(wait(0, 1.0), refresh);
        assert_eq!(wait(0, 0.0), Duration::from_secs(540));
        assert_eq!(wait(1, 1.0), Duration::from_secs(1));
        assert_eq!(wait(3, 1.0), Duration::from_secs(4));
        assert_eq!(wait(u32::MAX, 1.0), LAST_RETRY);
        assert_eq!(
            with(9).wait(Duration::from_secs(10), 1.0),
            Duration::from_secs(10)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn however_often_it_is_wanted_it_is_asked_once_in_a_while() {
        let source = source();
        let refresh = Duration::from_secs(600);
        source.due(refresh).await;
        let start = Instant::now();
        source.begin(start);
        source.answered(set("a"));
        (0..1_000).for_each(|_| source.want());
        source.due(refresh).await;
        assert_eq!(start.elapsed(), PAUSE);
        source.begin(Instant::now());
        source.answered(set("a"));
        // Nobody wants it any more.
        source.due(refresh).await;
        assert!(start.elapsed() > Duration::from_secs(500));
    }
}
