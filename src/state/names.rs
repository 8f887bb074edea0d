//! What did name servers say when they were last asked, and when are they to be asked again?

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    /// How it was asked.
    settings: Option<Settings>,
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
        let Known { resolved, due, .. } = &mut *self.lock();
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
