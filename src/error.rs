//! In which ways can a request fail? One closed set of reasons, the same word in the access log, in
//! `portcullis_failures_total{reason}` and in the `Proxy-Status` field.

use std::fmt;

/// What was being done when the request ended, in the order of the straight line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading or checking the request's header.
    Header,
    /// Finding the route and applying its policies.
    Route,
    /// Choosing an endpoint.
    Pool,
    /// Connecting to the endpoint, TLS included.
    Connect,
    /// Sending the request, reading its body from the client.
    Request,
    /// Waiting for the endpoint's response header.
    Response,
    /// Moving the response's body.
    Body,
}

impl Phase {
    /// The word in the access log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Header => "header",
            Phase::Route => "route",
            Phase::Pool => "pool",
            Phase::Connect => "connect",
            Phase::Request => "request",
            Phase::Response => "response",
            Phase::Body => "body",
        }
    }
}

/// Who ended a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// The client: it went away, was too slow, or sent what can't be served to anybody.
    Client,
    /// The operator: a rule of the configuration says who may have what, and how often.
    Operator,
    /// The endpoints: none can be used, or the one that was asked failed. So does a service that is asked for its word.
    Endpoint,
    /// Portcullis: it can take or wait no more, or has a fault.
    Portcullis,
}

impl EndedBy {
    /// The word in the access log.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndedBy::Client => "client",
            EndedBy::Operator => "operator",
            EndedBy::Endpoint => "endpoint",
            EndedBy::Portcullis => "portcullis",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal, $by:ident, $proxy_status:literal;)*) => {
        /// Why a request ended as it did. One row a reason: the word in log and metric, the status code of the answer
        /// (499 is never sent, only logged), who ended it, and the error type of the `Proxy-Status` field (RFC 9209
        /// §2.3).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in the order of their numbers: `ALL[reason as usize] == reason`.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The word in the access log and the metric's label.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $word,)* }
            }

            /// The status code a client gets.
            pub const fn status(self) -> u16 {
                match self { $(Reason::$name => $status,)* }
            }

            /// Who ended the request.
            pub const fn ended_by(self) -> EndedBy {
                match self { $(Reason::$name => EndedBy::$by,)* }
            }

            /// The `error` parameter of the `Proxy-Status` field (RFC 9209 §2.3).
            pub const fn proxy_status(self) -> &'static str {
                match self { $(Reason::$name => $proxy_status,)* }
            }
        }
    };
}

reasons! {
    /// The request's framing, target or fields break the protocol, or could be read in two ways.
    BadRequest = "bad_request", 400, Client, "http_request_error";
    /// The path can't be normalised without ambiguity (an encoded slash or NUL, a `..` above the root).
    AmbiguousPath = "ambiguous_path", 400, Client, "http_request_error";
    /// A method that only makes sense for a forward proxy.
    MethodNotAllowed = "method_not_allowed", 405, Client, "http_request_error";
    /// The client did not send its whole header in time.
    HeaderTimeout = "header_timeout", 408, Client, "http_request_error";
    /// The client stopped sending its body.
    BodyTimeout = "body_timeout", 408, Client, "http_request_error";
    /// The body is larger than the listener or the route allows.
    BodyTooLarge = "body_too_large", 413, Client, "http_request_error";
    /// The request target is longer than the listener allows.
    UriTooLong = "uri_too_long", 414, Client, "http_request_error";
    /// The header is larger, or has more fields, than the listener allows.
    HeaderTooLarge = "header_too_large", 431, Client, "http_request_error";
    /// The client went away before the answer was complete.
    ClientGone = "client_gone", 499, Client, "http_request_error";
    /// The body comes more slowly than the listener allows.
    BodyTooSlow = "body_too_slow", 408, Client, "http_request_error";
    /// The client's address may not come in.
    IpDenied = "ip_denied", 403, Operator, "http_request_denied";
    /// More requests came than a rate limit allows.
    RateLimited = "rate_limited", 429, Operator, "http_request_denied";
    /// The request does not show who sent it, or not in a way that is believed.
    Unauthenticated = "unauthenticated", 401, Operator, "http_request_denied";
    /// Who sent the request may not do that.
    Forbidden = "forbidden", 403, Operator, "http_request_denied";
    /// Whoever knows whether the request may go on can't be asked.
    AuthUnavailable = "auth_unavailable", 503, Endpoint, "destination_unavailable";
    /// The same, where the route wants 403 for it.
    AuthUnavailableForbidden = "auth_unavailable_forbidden", 403, Endpoint, "destination_unavailable";
    /// The process has as much to do as it may, or as little memory left as it must.
    Overloaded = "overloaded", 503, Portcullis, "connection_limit_reached";
    /// The client did not take its answer, or too slowly.
    ClientTooSlow = "client_too_slow", 499, Client, "http_request_error";
    /// No route matches the request.
    NoRoute = "no_route", 404, Operator, "destination_not_found";
    /// The pool has no endpoint that may be used now.
    NoEndpoint = "no_endpoint", 503, Endpoint, "destination_unavailable";
    /// The pool serves as many requests as it may, and no more may wait.
    QueueFull = "queue_full", 503, Portcullis, "connection_limit_reached";
    /// The request waited for its turn in the pool's queue for as long as it may.
    QueueTimeout = "queue_timeout", 503, Portcullis, "connection_limit_reached";
    /// The pool has endpoints that are well otherwise, and their breakers are open.
    BreakerOpen = "breaker_open", 503, Endpoint, "destination_unavailable";
    /// The endpoint refused the connection.
    ConnectRefused = "connect_refused", 502, Endpoint, "connection_refused";
    /// The connection could not be opened for another cause.
    ConnectFailed = "connect_failed", 502, Endpoint, "destination_ip_unroutable";
    /// The connection, TLS included, was not open in time.
    ConnectTimeout = "connect_timeout", 504, Endpoint, "connection_timeout";
    /// The TLS handshake with the endpoint failed, or its certificate did not verify.
    UpstreamTls = "upstream_tls", 502, Endpoint, "tls_protocol_error";
    /// The endpoint closed or reset the connection before its response header.
    UpstreamReset = "upstream_reset", 502, Endpoint, "connection_terminated";
    /// The endpoint's response is not valid HTTP.
    UpstreamBadResponse = "upstream_bad_response", 502, Endpoint, "http_protocol_error";
    /// The endpoint's response ended before its body was complete.
    UpstreamIncomplete = "upstream_incomplete", 502, Endpoint, "http_response_incomplete";
    /// The first byte of the response did not come in time.
    UpstreamFirstByteTimeout = "upstream_first_byte_timeout", 504, Endpoint, "http_response_timeout";
    /// The endpoint stopped sending in the middle of its response.
    UpstreamReadTimeout = "upstream_read_timeout", 504, Endpoint, "connection_read_timeout";
    /// The endpoint stopped reading the request.
    UpstreamWriteTimeout = "upstream_write_timeout", 504, Endpoint, "connection_write_timeout";
    /// The request as a whole took longer than its route or pool allows.
    TotalTimeout = "total_timeout", 504, Portcullis, "http_response_timeout";
    /// The client wanted an answer from the cache only, and none can be used (RFC 9111 §5.2.1.7).
    NotCached = "not_cached", 504, Client, "http_request_denied";
    /// The process ended before the request did: at the end of a grace, or because it was told to leave at once. Nobody is
    /// told; the connection is closed.
    ProcessEnded = "process_ended", 503, Portcullis, "proxy_internal_error";
    /// A fault of Portcullis itself.
    Internal = "internal", 500, Portcullis, "proxy_internal_error";
}

impl Reason {
    /// Whether there is a client that can be told of it.
    pub const fn can_be_told(self) -> bool {
        !matches!(self, Self::ClientGone | Self::ClientTooSlow)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed request: why, and where on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} in {}", phase.as_str())]
pub struct ProxyError {
    /// Why the request ended.
    pub reason: Reason,
    /// Where on the straight line it ended.
    pub phase: Phase,
}

impl ProxyError {
    /// A failure for `reason` while in `phase`.
    pub const fn new(reason: Reason, phase: Phase) -> Self {
        Self { reason, phase }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_own_number_and_has_its_own_word() {
        let mut words = std::collections::HashSet::new();
        for (number, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, number);
            assert!(words.insert(reason.as_str()));
            assert!((400..=599).contains(&reason.status()));
        }
    }
}
