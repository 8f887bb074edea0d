//! Which parameters of a query tell objects apart?

use std::borrow::Cow;

use crate::route::decoded_parameter;

/// Which parameters of the query go into the key, and to the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryRule {
    /// The query as it came.
    All,
    /// None.
    None,
    /// Those of these names.
    Allow(Names),
    /// All but those of these names.
    Deny(Names),
}

impl QueryRule {
    /// What is left of a query; `None` for no query at all. One that is empty is another than none, as an endpoint can
    /// tell; but where nothing is left of one, there is none.
    pub(super) fn apply<'q>(&self, query: &'q str) -> Option<Cow<'q, str>> {
        match self {
            Self::All => Some(Cow::Borrowed(query)),
            Self::None => None,
            Self::Allow(names) => kept(query, |name| names.has(name)),
            Self::Deny(names) => kept(query, |name| !names.has(name)),
        }
    }

    /// Whether parameters of this name, decoded, are kept.
    pub fn keeps(&self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Allow(names) => names.has(name),
            Self::Deny(names) => !names.has(name),
        }
    }
}

/// Names of parameters, in no order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Box<[NamePattern]>);

impl Names {
    /// These.
    pub fn new(mut patterns: Vec<NamePattern>) -> Self {
        patterns.sort_unstable();
        patterns.dedup();
        Self(patterns.into())
    }

    /// Whether a name, decoded, is among them.
    fn has(&self, name: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.is_met_by(name))
    }
}

/// A name, or how names begin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamePattern {
    /// This name.
    Name(Box<str>),
    /// Every name that begins so: `utm_*`.
    Prefix(Box<str>),
}

impl NamePattern {
    /// Whether a name, decoded, is meant.
    pub fn is_met_by(&self, name: &[u8]) -> bool {
        match self {
            Self::Name(whole) => name == whole.as_bytes(),
            Self::Prefix(start) => name.starts_with(start.as_bytes()),
        }
    }
}

/// The name of a pair, decoded: an endpoint that reads the query takes `%61` for `a`.
fn name(pair: &str) -> Cow<'_, [u8]> {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    decoded_parameter(name.as_bytes())
}

/// The pairs whose names are wanted, as they came. Nothing is allocated if that is all of them.
fn kept(query: &str, wanted: impl Fn(&[u8]) -> bool) -> Option<Cow<'_, str>> {
    let is_wanted = |pair: &&str| wanted(&name(pair));
    if query.split('&').all(|pair| is_wanted(&pair)) {
        return Some(Cow::Borrowed(query));
    }
    let mut left = String::new();
    let mut is_first = true;
    for pair in query.split('&').filter(is_wanted) {
        if !is_first {
            left.push('&');
        }
        is_first = false;
        left.push_str(pair);
    }
    (!is_first).then_some(Cow::Owned(left))
}

/// The pairs in the order of their names, decoded; those of one name stay in theirs, as it may mean something. Nothing is
/// allocated if they are in order.
pub(super) fn sorted(query: Cow<'_, str>) -> Cow<'_, str> {
    if query
        .split('&')
        .is_sorted_by(|one, next| name(one) <= name(next))
    {
        return query;
    }
    let mut pairs: Vec<(Cow<'_, [u8]>, &str)> =
        query.split('&').map(|pair| (name(pair), pair)).collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut sorted = String::with_capacity(query.len());
    for (index, (_, pair)) in pairs.iter().enumerate() {
        if index > 0 {
            sorted.push('&');
        }
        sorted.push_str(pair);
    }
    Cow::Owned(sorted)
}
