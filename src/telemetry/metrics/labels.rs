//! Which label values are a closed set that nothing from outside can extend?

use serde::{Deserialize, Serialize};

use crate::admission::connections::Full;

/// What came of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadResult {
    /// The configuration is in force.
    Applied,
    /// It is the one that is in force already.
    Unchanged,
    /// It can't be used, and the one before stays in force.
    Rejected,
    /// It changes what only a new process can change; nothing of it is in force.
    NeedsUpgrade,
}

impl ReloadResult {
    /// Every result, in the order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::Applied,
        Self::Unchanged,
        Self::Rejected,
        Self::NeedsUpgrade,
    ];

    /// The word in JSON and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
            Self::NeedsUpgrade => "needs_upgrade",
        }
    }

    /// The exit code of `portcullis reload`.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Applied | Self::Unchanged => 0,
            Self::Rejected => 1,
            Self::NeedsUpgrade => 2,
        }
    }
}

/// Why an accepted connection was closed before its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// The PROXY protocol header is missing, wrong or from an address that may not send one.
    ProxyHeader,
    /// The TLS handshake failed.
    TlsHandshake,
    /// The PROXY header or the TLS handshake was not complete in time.
    Timeout,
    /// The process has as many connections as it may.
    LimitTotal,
    /// The listener has.
    LimitListener,
    /// The client has.
    LimitClient,
    /// The client opens connections faster than it may.
    RateClient,
    /// No request of the client would be let in.
    IpDenied,
}

impl RefusedReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::ProxyHeader,
        Self::TlsHandshake,
        Self::Timeout,
        Self::LimitTotal,
        Self::LimitListener,
        Self::LimitClient,
        Self::RateClient,
        Self::IpDenied,
    ];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProxyHeader => "proxy_header",
            Self::TlsHandshake => "tls_handshake",
            Self::Timeout => "timeout",
            Self::LimitTotal => "limit_total",
            Self::LimitListener => "limit_listener",
            Self::LimitClient => "limit_client",
            Self::RateClient => "rate_client",
            Self::IpDenied => "ip_denied",
        }
    }

    /// Whether there are, or come, more than there may.
    pub const fn is_limit(self) -> bool {
        matches!(
            self,
            Self::LimitTotal | Self::LimitListener | Self::LimitClient | Self::RateClient
        )
    }
}

impl From<Full> for RefusedReason {
    fn from(full: Full) -> Self {
        match full {
            Full::Process => Self::LimitTotal,
            Full::Listener => Self::LimitListener,
            Full::Client => Self::LimitClient,
        }
    }
}

/// Why an HTTP/2 connection was ended with `ENHANCE_YOUR_CALM` (RFC 9113 §10.5): what there was too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Requests that the client took back before they were answered (CVE-2023-44487).
    Reset,
    /// Streams that had to be reset for what the client did with them (CVE-2025-8671).
    ProvokedReset,
    /// Pieces of one header.
    Continuation,
    /// PING, wanted or not.
    Ping,
    /// SETTINGS.
    Settings,
    /// PRIORITY and PRIORITY_UPDATE.
    Priority,
    /// WINDOW_UPDATE.
    WindowUpdate,
    /// DATA without a byte.
    EmptyData,
    /// Any other frame, or what the HTTP/2 library itself takes for a flood: a body in tiny pieces, a header far over
    /// its limit.
    Other,
}

impl Flood {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Reset,
        Self::ProvokedReset,
        Self::Continuation,
        Self::Ping,
        Self::Settings,
        Self::Priority,
        Self::WindowUpdate,
        Self::EmptyData,
        Self::Other,
    ];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::ProvokedReset => "provoked_reset",
            Self::Continuation => "continuation",
            Self::Ping => "ping",
            Self::Settings => "settings",
            Self::Priority => "priority",
            Self::WindowUpdate => "window_update",
            Self::EmptyData => "empty_data",
            Self::Other => "other",
        }
    }
}

/// The version a TLS handshake agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl TlsVersion {
    /// Every version, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Tls12, Self::Tls13];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// What a request was spoken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 1945.
    Http10,
    /// RFC 9112.
    Http11,
    /// RFC 9113.
    Http2,
    /// HTTP/1.1 at first, and something else after 101: a WebSocket.
    Upgrade,
}

impl Protocol {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Http10, Self::Http11, Self::Http2, Self::Upgrade];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "http/1.0",
            Self::Http11 => "http/1.1",
            Self::Http2 => "http/2",
            Self::Upgrade => "upgrade",
        }
    }
}

/// Who ended a stream of HTTP/2 before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetBy {
    /// The client has taken its request back.
    Client,
    /// We have: the request has failed, its time is over, or the rest of its body is not wanted.
    Portcullis,
}

impl ResetBy {
    /// Both, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Client, Self::Portcullis];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Portcullis => "portcullis",
        }
    }
}

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

/// What an endpoint is asked for by the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Nothing was stored.
    Miss,
    /// What was stored could not be used without asking.
    Expired,
    /// A stale answer was sent, and another is wanted for who comes next.
    Background,
    /// The last answers could not be stored, so that no request waits for another's.
    Pass,
}

impl Fetch {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Miss, Self::Expired, Self::Background, Self::Pass];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Expired => "expired",
            Self::Background => "background",
            Self::Pass => "pass",
        }
    }
}

/// What an order to purge names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeKind {
    /// The objects of an address.
    Url,
    /// Those whose addresses begin alike.
    Prefix,
    /// Those with a tag.
    Tag,
    /// All.
    All,
}

impl PurgeKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Url, Self::Prefix, Self::Tag, Self::All];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Prefix => "prefix",
            Self::Tag => "tag",
            Self::All => "all",
        }
    }
}

/// What the cache's disk was wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOperation {
    /// To be opened, and what is there to be found.
    Open,
    /// To give an object.
    Read,
    /// To take one.
    Write,
    /// To forget one.
    Remove,
}

impl DiskOperation {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Open, Self::Read, Self::Write, Self::Remove];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Remove => "remove",
        }
    }
}
