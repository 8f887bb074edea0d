//! What did name servers say when they were last asked, and when are they to be asked again?

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant as StdInstant;

use tokio::time::Instant;

use crate::pool::discovery::resolver::Settings;
use crate::pool::discovery::{Found, Question, Resolved};

/// The answers of name servers. A reload finds them here, so that a pool of names is not empty until the next look-up.
#[derive(Debug, Default)]
pub struct Names {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    resolved: Resolved,
    due: HashMap<Question, Instant>,
    /// What is wrong with some of them since they were resolved the last time.
    troubles: HashMap<Question, Unresolved>,
    /// How it was asked.
    settings: Option<Settings>,
}

/// What is wrong with a name that can't be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// When that began.
    pub since: StdInstant,
    /// What the last look-up said.
    pub why: String,
    /// Whether the last look-up found a part of it.
    pub partly: bool,
}

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many addresses it has; `None` if there never was an answer.
    pub addresses: Option<usize>,
    /// What is wrong with it, if anything is.
    pub trouble: Option<Unresolved>,
}

impl Names {
    /// Takes note of an answer and of when to ask again; true if the answer is not what was known.
    pub fn learn(&self, question: &Question, found: Found, due: Instant) -> bool {
        let mut known = self.lock();
        known.due.insert(question.clone(), due);
        let resolved = &mut known.resolved;
        match (question, found) {
            (Question::Host(name), Found::Addresses(found)) => {
                let before = resolved.hosts.insert(name.clone(), found);
                before.as_ref() != resolved.hosts.get(name)
            }
            (Question::Service(name), Found::Instances(found)) => {
                let before = resolved.services.insert(name.clone(), found);
                before.as_ref() != resolved.services.get(name)
            }
            // Nobody answers so.
            _ => false,
        }
    }

    /// Takes note of what a look-up could not find, or that it found everything. `partly` says whether it found a part.
    pub fn note(&self, question: &Question, missing: Option<&str>, partly: bool, now: StdInstant) {
        let troubles = &mut self.lock().troubles;
        match missing {
            Some(why) => {
                let since = troubles.get(question).map_or(now, |before| before.since);
                let trouble = Unresolved {
                    since,
                    why: why.to_owned(),
                    partly,
                };
                troubles.insert(question.clone(), trouble);
            }
            None => {
                troubles.remove(question);
            }
        }
    }

    /// What is known of a name now.
    pub fn standing(&self, question: &Question) -> Standing {
        let known = self.lock();
        Standing {
            addresses: known.resolved.addresses(question),
            trouble: known.troubles.get(question).cloned(),
        }
    }

    /// Takes what another process knew.
    pub fn remember(&self, resolved: Resolved) {
        self.lock().resolved = resolved;
    }

    /// Says how it is asked from now on; if that is not as before, everything is to be asked at once.
    pub fn ask_by(&self, settings: &Settings) {
        let mut known = self.lock();
        if known.settings.as_ref() != Some(settings) {
            if known.settings.is_some() {
                known.due.clear();
            }
            known.settings = Some(settings.clone());
        }
    }

    /// When to ask again; `None` for at once.
    pub fn due(&self, question: &Question) -> Option<Instant> {
        self.lock().due.get(question).copied()
    }

    /// Forgets everything but what these ask.
    pub fn keep_only(&self, questions: &HashSet<Question>) {
        let Known {
            resolved,
            due,
            troubles,
            ..
        } = &mut *self.lock();
        let (mut hosts, mut services) = (HashSet::new(), HashSet::new());
        for question in questions {
            match question {
                Question::Host(name) => hosts.insert(name.as_str()),
                Question::Service(name) => services.insert(name.as_str()),
            };
        }
        resolved
            .hosts
            .retain(|name, _| hosts.contains(name.as_str()));
        resolved
            .services
            .retain(|name, _| services.contains(name.as_str()));
        due.retain(|question, _| questions.contains(question));
        troubles.retain(|question, _| questions.contains(question));
    }

    /// Everything that is known.
    pub fn known(&self) -> Resolved {
        self.lock().resolved.clone()
    }

    /// What is known about one question.
    pub fn known_of(&self, question: &Question) -> Resolved {
        let known = self.lock();
        let mut one = Resolved::default();
        match question {
            Question::Host(name) => {
                let entry = known.resolved.hosts.get_key_value(name);
                one.hosts
                    .extend(entry.map(|(name, found)| (name.clone(), found.clone())));
            }
            Question::Service(name) => {
                let entry = known.resolved.services.get_key_value(name);
                one.services
                    .extend(entry.map(|(name, found)| (name.clone(), found.clone())));
            }
        }
        one
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_name_is_known_from_its_first_failure_until_it_is_resolved_again() {
        let names = Names::default();
        let question = Question::Host("a.test".to_owned());
        let begun = StdInstant::now();
        let later = begun + Duration::from_secs(7);
        let nothing = Standing {
            addresses: None,
            trouble: None,
        };
        assert_eq!(names.standing(&question), nothing);
        names.note(&question, Some("no answer"), false, begun);
        names.note(&question, Some("refused"), true, later);
        let trouble = names.standing(&question).trouble.expect("trouble");
        let expected = Unresolved {
            since: begun,
            why: "refused".to_owned(),
            partly: true,
        };
        assert_eq!(trouble, expected);
        let addresses = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().expect("an address"));
        let found = Found::Addresses(addresses.to_vec());
        assert!(names.learn(&question, found, Instant::now()));
        names.note(&question, None, true, later);
        let resolved = Standing {
            addresses: Some(2),
            trouble: None,
        };
        assert_eq!(names.standing(&question), resolved);
        // A name that nobody asks for any more is forgotten with its trouble.
        names.note(&question, Some("refused"), false, later);
        names.keep_only(&HashSet::new());
        assert_eq!(names.standing(&question), nothing);
    }
}
