//! What is told apart of a listener's connections and requests?

use crate::admission::connections::Full;

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
