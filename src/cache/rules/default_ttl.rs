//! How long is an answer fresh that does not say so itself?

use std::time::Duration;

use http::StatusCode;

/// Which statuses are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statuses {
    /// This one.
    One(StatusCode),
    /// All that begin with this digit: 3 is 300 to 399.
    Class(u16),
}

impl Statuses {
    const fn mean(self, status: StatusCode) -> bool {
        match self {
            Self::One(one) => one.as_u16() == status.as_u16(),
            Self::Class(class) => status.as_u16() / 100 == class,
        }
    }
}

/// How long answers are fresh that do not say so themselves, by their status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultTtl {
    /// Single ones before classes.
    by_status: Box<[(Statuses, Duration)]>,
}

impl DefaultTtl {
    /// Of the statuses in each pair; what is said of one counts before what is said of its class.
    pub fn new(pairs: impl IntoIterator<Item = (Statuses, Duration)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|(statuses, _)| matches!(statuses, Statuses::Class(_)));
        Self {
            by_status: pairs.into(),
        }
    }

    /// For this status, if anything is said.
    pub fn of(&self, status: StatusCode) -> Option<Duration> {
        let mut pairs = self.by_status.iter();
        pairs
            .find(|(statuses, _)| statuses.mean(status))
            .map(|(_, ttl)| *ttl)
    }
}
