//! Which names among the endpoints of a pool are not resolved, and what became of their addresses?

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::table::shown;
use crate::pool::discovery::{Question, Source};
use crate::state::{Names, Standing};

/// A host name or service that is not resolved, or not as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NameReport {
    /// It, as it is written: a service with `srv:` before it.
    pub name: String,
    /// For how many seconds its look-ups have been failing; `null` while the first one is under way.
    pub failing_for: Option<f64>,
    /// What the last look-up said; `null` while the first one is under way.
    pub error: Option<String>,
    /// Whether the last look-up found a part of it.
    pub partly: bool,
    /// Its addresses in use all the same: those that were known before stay.
    pub addresses: usize,
}

/// The names of a pool that are not resolved, each once.
pub(super) fn unresolved(source: &Source, names: &Names, now: Instant) -> Vec<NameReport> {
    let questions: BTreeSet<Question> = source.questions().collect();
    let questions = questions.iter();
    questions
        .filter_map(|question| NameReport::of(question, names.standing(question), now))
        .collect()
}

impl NameReport {
    /// `None` if nothing is wrong with it.
    fn of(question: &Question, standing: Standing, now: Instant) -> Option<Self> {
        let Standing { addresses, trouble } = standing;
        if addresses.is_some() && trouble.is_none() {
            return None;
        }
        let since = trouble.as_ref().map(|trouble| trouble.since);
        Some(Self {
            name: question.to_string(),
            failing_for: since.map(|since| now.saturating_duration_since(since).as_secs_f64()),
            partly: trouble.as_ref().is_some_and(|trouble| trouble.partly),
            error: trouble.map(|trouble| trouble.why),
            addresses: addresses.unwrap_or_default(),
        })
    }
}

impl fmt::Display for NameReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        let Some(error) = &self.error else {
            return write!(f, "{name} is not resolved yet");
        };
        let how = if self.partly { "fully " } else { "" };
        write!(f, "{name} can't be {how}resolved")?;
        if let Some(seconds) = self.failing_for {
            write!(f, " for {}", shown(seconds))?;
        }
        write!(f, ": {error}; ")?;
        match self.addresses {
            0 => f.write_str("it has no address"),
            1 => f.write_str("1 address stays in use"),
            many => write!(f, "{many} addresses stay in use"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pool::discovery::Found;

    fn told(names: &Names, now: Instant) -> Option<NameReport> {
        let question = Question::Host("a.test".to_owned());
        NameReport::of(&question, names.standing(&question), now)
    }

    #[test]
    fn a_name_says_why_it_has_no_address_and_whether_old_ones_stay() {
        let names = Names::default();
        let question = Question::Host("a.test".to_owned());
        let begun = Instant::now();
        let now = begun + Duration::from_millis(89_500);
        let line = |names: &Names| told(names, now).expect("something to say").to_string();
        assert_eq!(line(&names), "a.test is not resolved yet");
        names.note(&question, Some("no answer"), false, begun);
        assert_eq!(
            line(&names),
            "a.test can't be resolved for 90s: no answer; it has no address"
        );
        let report = told(&names, now).expect("something to say");
        assert_eq!(
            (report.failing_for, report.error.as_deref(), report.partly),
            (Some(89.5), Some("no answer"), false)
        );
        let one = Found::Addresses(vec!["10.0.0.1".parse().expect("an address")]);
        names.learn(&question, one, tokio::time::Instant::now());
        assert_eq!(
            line(&names),
            "a.test can't be resolved for 90s: no answer; 1 address stays in use"
        );
        names.note(&question, Some("no AAAA"), true, now);
        assert!(line(&names).starts_with("a.test can't be fully resolved for 90s: no AAAA; "));
        names.note(&question, None, false, now);
        assert_eq!(told(&names, now), None);
    }
}
