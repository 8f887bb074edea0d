//! How are pools kept up to date with what name servers say? One task asks for all names, each when its time has come.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::resolver::{Answer, MOST_ADDRESSES, Resolver, Trouble};
use super::schedule::{after_answer, after_failure};
use super::{Found, Lookup, Question, Resolved};
use crate::state::State;

/// How many names are looked up side by side.
const AT_ONCE: usize = 64;
/// How many pools a line of the log names.
const TOLD_POOLS: usize = 3;

/// What came of a look-up.
type Looked = Result<Answer<Found>, Trouble>;

/// Looks up what nobody has an answer for yet, and fills the pools that wait for it; for at most `limit`.
pub async fn resolve_unknown(
    lookups: &[Lookup],
    resolver: &Resolver,
    state: &State,
    limit: Duration,
) {
    let known = state.names.known();
    let asked = Asked::by(lookups).into_iter();
    let unknown = asked.filter(|(question, _)| !known.has(question));
    let unknown: Vec<(Question, Asked)> = unknown.collect();
    if unknown.is_empty() {
        return;
    }
    let look_up = async |(question, asked): (Question, Asked)| {
        let looked = resolver.look_up(&question, &known).await;
        state.metrics.looked_up(looked.is_ok());
        note(&question, &looked, state);
        if let Ok(answer) = looked {
            let due = Instant::now() + after_answer(answer.ttl, asked.every, fastrand::f64());
            state.names.learn(&question, answer.found, due);
        }
    };
    let all = stream::iter(unknown).for_each_concurrent(AT_ONCE, look_up);
    // What has no answer by then is tried on by `keep_resolved`, which also says what is wrong with it.
    let _ = tokio::time::timeout(limit, all).await;
    let known = state.names.known();
    lookups
        .iter()
        .for_each(|lookup| lookup.refresh(&known, state));
}

/// Looks the names of pools up, again and again, and replaces the members of a pool when an answer changes them.
///
/// An answer that fails, or is empty, changes nothing: a name server's trouble must not take a working pool away.
pub async fn keep_resolved(lookups: Vec<Lookup>, resolver: Arc<Resolver>, state: Arc<State>) {
    state.names.ask_by(&resolver.settings);
    let mut keeper = Keeper::new(lookups, resolver, state, Instant::now());
    loop {
        let next = keeper.start_due(Instant::now());
        tokio::select! {
            Some(ended) = keeper.running.join_next_with_id() => keeper.ended(ended),
            () = sleep_until(next) => {}
        }
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Takes note of what is wrong with a name, for those who ask how a pool is.
fn note(question: &Question, looked: &Looked, state: &State) {
    let now = Instant::now().into_std();
    match looked {
        Ok(answer) => state
            .names
            .note(question, answer.missing.as_deref(), true, now),
        Err(trouble) => {
            let why = trouble.to_string();
            state.names.note(question, Some(&why), false, now);
        }
    }
}

impl Lookup {
    /// Puts the endpoints into the pool that there should be by now.
    fn refresh(&self, known: &Resolved, state: &State) {
        if self.source.differs(known, &self.pool.members()) {
            self.pool.replace_members(self.source.members(known, state));
            state.addresses_changed.notify_one();
        }
    }
}

/// A name that is looked up.
struct Asked {
    /// The longest time between two look-ups.
    every: Duration,
    /// Which pools want it, by their number.
    pools: BTreeSet<usize>,
    /// How often it could not be looked up since it last could.
    failures: u32,
    /// Whether it was told that it has too many addresses.
    told_large: bool,
}

impl Asked {
    /// What is asked for some pools. What several want is asked once, as often as the most impatient of them wants it.
    fn by(lookups: &[Lookup]) -> BTreeMap<Question, Self> {
        let mut all: BTreeMap<Question, Self> = BTreeMap::new();
        for (number, lookup) in lookups.iter().enumerate() {
            for question in lookup.source.questions() {
                let asked = all.entry(question).or_insert_with(|| Self {
                    every: lookup.every,
                    pools: BTreeSet::new(),
                    failures: 0,
                    told_large: false,
                });
                asked.every = asked.every.min(lookup.every);
                asked.pools.insert(number);
            }
        }
        all
    }
}

/// Who keeps some pools up to date.
struct Keeper {
    lookups: Vec<Lookup>,
    resolver: Arc<Resolver>,
    state: Arc<State>,
    asked: BTreeMap<Question, Asked>,
    /// What waits for its time, the next first.
    waiting: BinaryHeap<Reverse<(Instant, Question)>>,
    running: JoinSet<Looked>,
    questions: HashMap<Id, Question>,
}

impl Keeper {
    fn new(lookups: Vec<Lookup>, resolver: Arc<Resolver>, state: Arc<State>, now: Instant) -> Self {
        // The generation before may have learned something since these pools were made.
        let known = state.names.known();
        lookups
            .iter()
            .for_each(|lookup| lookup.refresh(&known, &state));
        let asked = Asked::by(&lookups);
        let first = |(question, asked): (&Question, &Asked)| {
            let due = state.names.due(question).unwrap_or(now);
            Reverse((due.min(now + asked.every), question.clone()))
        };
        Self {
            waiting: asked.iter().map(first).collect(),
            asked,
            lookups,
            resolver,
            state,
            running: JoinSet::new(),
            questions: HashMap::new(),
        }
    }

    /// Begins the look-ups whose time has come, and says when that of the next one comes.
    fn start_due(&mut self, now: Instant) -> Option<Instant> {
        while self.running.len() < AT_ONCE {
            let Reverse((due, _)) = self.waiting.peek()?;
            if *due > now {
                return Some(*due);
            }
            let Reverse((_, question)) = self.waiting.pop()?;
            let (resolver, asked) = (Arc::clone(&self.resolver), question.clone());
            let known = self.state.names.known_of(&question);
            let look_up = async move { resolver.look_up(&asked, &known).await };
            // A task of its own: not even a panic over some answer ends the other look-ups.
            let id = self.running.spawn(look_up).id();
            self.questions.insert(id, question);
        }
        // The next one begins when one of these has ended.
        None
    }

    fn ended(&mut self, ended: Result<(Id, Looked), JoinError>) {
        let (id, looked) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Err(Trouble::Failed(error.to_string()))),
        };
        let Some(question) = self.questions.remove(&id) else {
            return;
        };
        self.state.metrics.looked_up(looked.is_ok());
        note(&question, &looked, &self.state);
        if let Some(due) = self.learn(&question, looked) {
            self.waiting.push(Reverse((due, question)));
        }
    }

    /// Notes what came of a look-up and says when to look again.
    fn learn(&mut self, question: &Question, looked: Looked) -> Option<Instant> {
        let asked = self.asked.get_mut(question)?;
        let pools = asked
            .pools
            .iter()
            .filter_map(|number| self.lookups.get(*number));
        let wanted_by = || wanted_by(pools.clone());
        let (missing, ttl) = match &looked {
            Ok(answer) => (answer.missing.clone(), answer.ttl),
            Err(trouble) => (Some(trouble.to_string()), Duration::MAX),
        };
        let mut wait = after_answer(ttl, asked.every, fastrand::f64());
        // Told when it begins and when it ends, not each time it goes on.
        match missing {
            Some(why) => {
                if asked.failures == 0 {
                    let how = if looked.is_ok() { "fully " } else { "" };
                    log::warn!("{}: {question} can't be {how}resolved: {why}", wanted_by());
                }
                asked.failures = asked.failures.saturating_add(1);
                wait = wait.min(after_failure(asked.failures, asked.every, fastrand::f64()));
            }
            None if asked.failures > 0 => {
                asked.failures = 0;
                log::info!("{}: {question} is resolved again", wanted_by());
            }
            None => {}
        }
        let due = Instant::now() + wait;
        let Ok(answer) = looked else {
            return Some(due);
        };
        if answer.left_out > 0 && !asked.told_large {
            let more = answer.left_out;
            log::warn!(
                "{}: {question} has more than {MOST_ADDRESSES} addresses: {more} are left out",
                wanted_by()
            );
        }
        asked.told_large = answer.left_out > 0;
        let line = format!("{}: {question} is {}", wanted_by(), answer.found);
        if self.state.names.learn(question, answer.found, due) {
            log::info!("{line}");
            let known = self.state.names.known();
            pools.for_each(|lookup| lookup.refresh(&known, &self.state));
        }
        Some(due)
    }
}

/// `pool a, b`, for the log.
fn wanted_by<'a>(pools: impl Iterator<Item = &'a Lookup>) -> String {
    let names: Vec<&str> = pools.map(|lookup| &*lookup.pool.name).collect();
    let told = names[..names.len().min(TOLD_POOLS)].join(", ");
    match names.len().saturating_sub(TOLD_POOLS) {
        0 => format!("pool {told}"),
        more => format!("pool {told} and {more} more"),
    }
}
