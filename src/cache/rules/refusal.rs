//! Why is a response not stored?

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The request was neither `GET` nor `HEAD`.
    Method,
    /// The request said `no-store`.
    RequestNoStore,
    /// The status is one that is never stored, or is not known though the answer says that it must be.
    Status,
    /// The endpoint said `no-store`.
    NoStore,
    /// The endpoint said `private`.
    Private,
    /// The endpoint said `no-cache`, and the answer has nothing to ask about it by.
    NoCache,
    /// The request was somebody's, and the endpoint did not say that the answer is for everyone.
    Authorization,
    /// The answer is another for each request (`Vary: *`).
    VaryAny,
    /// The answer sets cookies.
    SetCookie,
    /// Nothing says how long it is fresh.
    NoFreshness,
    /// It was stale when it came.
    Stale,
    /// The endpoint failed, and nothing says that this may be stored.
    Failure,
}

impl Refusal {
    /// The word for it in `Cache-Status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::RequestNoStore => "request-no-store",
            Self::Status => "status",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::NoCache => "no-cache",
            Self::Authorization => "authorization",
            Self::VaryAny => "vary",
            Self::SetCookie => "set-cookie",
            Self::NoFreshness => "no-freshness",
            Self::Stale => "stale",
            Self::Failure => "failure",
        }
    }

    /// Whether the next answer for the same object will most likely be refused too, as this is about the object and not
    /// about one request or a failure. What one request brings about by itself, such as by credentials that it makes up,
    /// must not keep what is for everyone out of the store.
    pub const fn lasting(self) -> bool {
        !matches!(
            self,
            Self::Method
                | Self::RequestNoStore
                | Self::Authorization
                | Self::Status
                | Self::Failure
        )
    }
}
