//! Why is a request of a shared rate limit not counted in Redis?

/// Why Redis did not count a request of a shared rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It is known to be away.
    Away,
    /// Its answer did not come in time.
    Late,
    /// It has said something else, or nothing any more.
    Failed,
    /// Too many waited for its answers.
    Busy,
}

impl Missed {
    /// Every cause, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Away, Self::Late, Self::Failed, Self::Busy];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Late => "late",
            Self::Failed => "failed",
            Self::Busy => "busy",
        }
    }
}
