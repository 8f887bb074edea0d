//! Which label values are a closed set that nothing from outside can extend?

/// Why an accepted connection was closed before its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// The PROXY protocol header is missing, wrong or from an address that may not send one.
    ProxyHeader,
    /// The TLS handshake failed.
    TlsHandshake,
    /// The PROXY header or the TLS handshake was not complete in time.
    Timeout,
}

impl RefusedReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::ProxyHeader, Self::TlsHandshake, Self::Timeout];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProxyHeader => "proxy_header",
            Self::TlsHandshake => "tls_handshake",
            Self::Timeout => "timeout",
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
