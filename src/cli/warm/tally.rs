//! How far has it come, and what was found?

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::fetch::Fetched;
use super::said::Said;
use crate::config::units::rounded;

/// How many sayings of caches are told apart. They come from whoever answers, and are few.
const SAYINGS: usize = 50;

/// What was counted.
#[derive(Debug, Default)]
pub struct Tally {
    hits: u64,
    misses: u64,
    uncached: u64,
    failed: u64,
    bytes: u64,
    sayings: BTreeMap<Said, u64>,
}

impl Tally {
    /// Counts an answer; the reason if that is a failure all the same.
    ///
    /// # Errors
    ///
    /// Its status says that there is no such page, or that it could not be made.
    pub fn fetched(&mut self, fetched: Fetched) -> Result<(), String> {
        self.bytes += fetched.bytes;
        let saying = match self.sayings.len() < SAYINGS || self.sayings.contains_key(&fetched.said)
        {
            true => fetched.said.clone(),
            false => Said::Forwarded("…".to_owned()),
        };
        *self.sayings.entry(saying).or_default() += 1;
        if fetched.status.is_client_error() || fetched.status.is_server_error() {
            self.failed += 1;
            return Err(format!("its status is {}", fetched.status));
        }
        match fetched.said {
            Said::Hit(_) => self.hits += 1,
            Said::Forwarded(_) => self.misses += 1,
            Said::Nothing => self.uncached += 1,
        }
        Ok(())
    }

    /// Counts what could not be fetched.
    pub const fn failed(&mut self) {
        self.failed += 1;
    }

    /// Whether everything could be.
    pub const fn is_clean(&self) -> bool {
        self.failed == 0
    }

    const fn done(&self) -> u64 {
        self.hits + self.misses + self.uncached + self.failed
    }

    /// One line: how far it has come after this time, of so many if that is known.
    pub fn line(&self, of: Option<u64>, after: Duration) -> String {
        let mut line = self.done().to_string();
        if let Some(of) = of {
            // A string takes all that is written to it.
            let _ = write!(line, "/{of}");
        }
        let rate = self.done() as f64 / after.as_secs_f64().max(0.001);
        let Self {
            hits,
            misses,
            uncached,
            failed,
            bytes,
            ..
        } = self;
        let _ = write!(line, ": {hits} hits, {misses} misses, ");
        if *uncached > 0 {
            let _ = write!(line, "{uncached} without a cache, ");
        }
        let _ = write!(line, "{failed} failed; {}, {rate:.0}/s", rounded(*bytes));
        line
    }

    /// The end of it: the line, and what the caches said, by how often.
    pub fn summary(&self, after: Duration) -> String {
        let mut text = format!(
            "{}; in {:.1} s",
            self.line(None, after),
            after.as_secs_f64()
        );
        let mut sayings: Vec<(&Said, &u64)> = self.sayings.iter().collect();
        sayings.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (said, count) in sayings {
            let _ = match said {
                Said::Hit(said) | Said::Forwarded(said) => {
                    write!(text, "\n{count:>8}  Cache-Status: {said}")
                }
                Said::Nothing => write!(text, "\n{count:>8}  no Cache-Status"),
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn fetched(status: StatusCode, said: Said) -> Fetched {
        let bytes = 1_024;
        Fetched {
            status,
            bytes,
            said,
        }
    }

    fn hit() -> Said {
        Said::Hit("hit".into())
    }

    fn miss(number: usize) -> Said {
        Said::Forwarded(format!("fwd=uri-miss; detail={number}"))
    }

    #[test]
    fn everything_is_counted_once() {
        let mut tally = Tally::default();
        assert_eq!(tally.fetched(fetched(StatusCode::OK, hit())), Ok(()));
        assert_eq!(
            tally.fetched(fetched(StatusCode::NOT_MODIFIED, hit())),
            Ok(())
        );
        assert_eq!(tally.fetched(fetched(StatusCode::OK, miss(1))), Ok(()));
        assert!(tally.is_clean());
        assert_eq!(
            tally.line(Some(9), Duration::from_secs(1)),
            "3/9: 2 hits, 1 misses, 0 failed; 3.0 KiB, 3/s"
        );
        let why = tally.fetched(fetched(StatusCode::NOT_FOUND, Said::Nothing));
        assert_eq!(why, Err("its status is 404 Not Found".to_owned()));
        tally.failed();
        assert_eq!(
            tally.fetched(fetched(StatusCode::OK, Said::Nothing)),
            Ok(())
        );
        assert!(!tally.is_clean());
        assert_eq!(
            tally.summary(Duration::from_secs(2)),
            "6: 2 hits, 1 misses, 1 without a cache, 2 failed; 5.0 KiB, 3/s; in 2.0 s\n       \
             2  Cache-Status: hit\n       2  no Cache-Status\n       1  Cache-Status: fwd=uri-miss; detail=1"
        );
    }

    #[test]
    fn no_more_sayings_are_kept_than_can_be_read() {
        let mut tally = Tally::default();
        for number in 0..10 * SAYINGS {
            assert_eq!(tally.fetched(fetched(StatusCode::OK, miss(number))), Ok(()));
        }
        assert_eq!(tally.sayings.len(), SAYINGS + 1);
        assert_eq!(tally.misses, 500);
    }
}
