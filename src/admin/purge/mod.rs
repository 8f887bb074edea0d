//! How is a purge carried out that an operator has ordered, and what is told of it?

mod request;

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::cache::purge::{Mode, What};
use crate::cache::report::PurgeReport;
use crate::server::process::Process;
pub use request::PurgeRequest;

/// Why nothing is purged.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// Something that is named means nothing.
    #[error("{0}")]
    Unclear(String),
    /// Another process has taken over.
    #[error("the process is leaving")]
    Leaving,
}

/// Carries it out, and says so in the log.
///
/// # Errors
///
/// [`Refused`].
pub(super) async fn purge(
    process: &Process,
    wanted: &PurgeRequest,
    who: &str,
) -> Result<PurgeAnswer, Refused> {
    let rules = process.snapshot.load().key_rules();
    let objects = wanted.objects(&rules).map_err(Refused::Unclear)?;
    let (start, mode) = (Instant::now(), wanted.mode());
    let state = &process.state;
    let now = SystemTime::now();
    {
        // Not between what an upgrade hands over and its end: it would be forgotten.
        let _turn = process.turn.lock().await;
        if process.is_leaving() {
            return Err(Refused::Leaving);
        }
        state.cache.purge(&objects, mode, now).await;
    }
    let report = state.cache.remove_purged(mode, now).await;
    wanted.count(report, &state.metrics.cache);
    let PurgeReport { memory, disk } = report;
    let how = if wanted.soft { "made stale" } else { "purged" };
    let summary = wanted.summary();
    log::info!("cache: {how} by {who}: {summary}: {memory} in memory, {disk} on disk");
    Ok(PurgeAnswer::new(&objects, mode, report, start.elapsed()))
}

/// What was purged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PurgeAnswer {
    /// Objects in memory that were found.
    pub memory: usize,
    /// The same on disk; those that are in memory as well are counted in both. Of those that became stale only what is in
    /// memory is counted.
    pub disk: usize,
    /// Whether they became stale instead of being removed.
    pub soft: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What was purged, as it is understood.
    #[serde(default)]
    pub purged: Vec<String>,
}

/// How many of the things that were purged are told to a person.
const SHOWN: usize = 10;

impl fmt::Display for PurgeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, disk, .. } = self;
        let done = if self.soft { "stale" } else { "removed" };
        let took = self.seconds * 1_000.0;
        write!(
            f,
            "{done}: {memory} in memory, {disk} on disk; {took:.1} ms"
        )?;
        for one in self.purged.iter().take(SHOWN) {
            write!(f, "\n  {one}")?;
        }
        match self.purged.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

fn in_words(what: &What) -> String {
    match what {
        What::All => "all".to_owned(),
        What::Url(url) => format!("url {url}"),
        What::Prefix(url) => format!("prefix {url}"),
        What::Tag(tag) => format!("tag {tag}"),
    }
}

impl PurgeAnswer {
    /// What is told once these objects were purged, in so much time.
    pub fn new(objects: &[What], mode: Mode, report: PurgeReport, took: Duration) -> Self {
        Self {
            memory: report.memory,
            disk: report.disk,
            soft: mode == Mode::Soft,
            seconds: took.as_secs_f64(),
            purged: objects.iter().map(in_words).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_purged_is_told_as_it_was_understood() {
        let objects = [
            What::Prefix("a.example/p".into()),
            What::Tag("x".into()),
            What::All,
        ];
        let report = PurgeReport { memory: 3, disk: 4 };
        let took = Duration::from_millis(2);
        let answer = PurgeAnswer::new(&objects, Mode::Soft, report, took);
        assert_eq!((answer.memory, answer.disk, answer.soft), (3, 4, true));
        assert_eq!(answer.purged, ["prefix a.example/p", "tag x", "all"]);
    }

    #[test]
    fn a_person_is_told_what_was_found() {
        let mut answer = PurgeAnswer {
            memory: 3,
            disk: 0,
            soft: false,
            seconds: 0.001_25,
            purged: vec!["url example.com/a".to_owned()],
        };
        assert_eq!(
            answer.to_string(),
            "removed: 3 in memory, 0 on disk; 1.2 ms\n  url example.com/a"
        );
        answer.soft = true;
        answer.purged = vec!["tag a".to_owned(); SHOWN + 2];
        let text = answer.to_string();
        assert!(text.starts_with("stale: 3"), "{text}");
        assert!(text.ends_with("\n  and 2 more"), "{text}");
    }
}
