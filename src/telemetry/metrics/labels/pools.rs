//! What becomes of the wish for another attempt?

/// What became of the wish to make an attempt again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryResult {
    /// It was made again.
    Sent,
    /// It had been made again as often as the rules allow.
    Limit,
    /// The request must not be repeated: its method is not idempotent, or it asks for another protocol.
    Method,
    /// Its body was not kept.
    Body,
    /// A part of an answer had gone to the client.
    Answered,
    /// Its time would have been over.
    Deadline,
    /// The pool's budget was spent.
    Budget,
    /// There was no endpoint for it.
    NoEndpoint,
}

impl RetryResult {
    /// Every result, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Sent,
        Self::Limit,
        Self::Method,
        Self::Body,
        Self::Answered,
        Self::Deadline,
        Self::Budget,
        Self::NoEndpoint,
    ];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Limit => "limit",
            Self::Method => "method",
            Self::Body => "body",
            Self::Answered => "answered",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
            Self::NoEndpoint => "no_endpoint",
        }
    }
}

/// What became of the wish to ask a second endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeResult {
    /// It was asked.
    Sent,
    /// It was asked, and its answer was the one that was taken.
    Won,
    /// The pool's budget was spent.
    Budget,
    /// There was no other endpoint.
    NoEndpoint,
}

impl HedgeResult {
    /// Every result, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Sent, Self::Won, Self::Budget, Self::NoEndpoint];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Won => "won",
            Self::Budget => "budget",
            Self::NoEndpoint => "no_endpoint",
        }
    }
}
