//! Which fields can a line of the access log have, and what does each mean?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// A field of a line, by its name in JSON. Without a value it is left out of the line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum AccessLogField {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl AccessLogField {
            /// Every field, in the order in which a line has them unless they are chosen.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in the line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What stands before its value in a line of JSON that has begun: a comma, its name in quotes and a colon.
            pub const fn opening(self) -> &'static str {
                match self { $(Self::$name => concat!(",\"", $word, "\":"),)* }
            }
        }
    };
}

fields! {
    /// When the request's header was there: RFC 3339, UTC, milliseconds.
    Time = "time";
    /// From `time` to the end of the answer, in seconds with six decimals.
    Duration = "duration";
    /// The listener that accepted the connection.
    Listener = "listener";
    /// The route that matched.
    Route = "route";
    /// The pool the route points to.
    Pool = "pool";
    /// The endpoint of the last attempt.
    Endpoint = "endpoint";
    /// The client's address, after PROXY protocol and trusted `Forwarded` fields.
    Client = "client";
    /// Who the client has shown to be, if a policy of the route asked.
    User = "user";
    /// Address and port of the other end of the connection; `unix:` on a UNIX socket.
    Peer = "peer";
    /// The request's method.
    Method = "method";
    /// `http` or `https`.
    Scheme = "scheme";
    /// The host that was asked for, with its port if it was given.
    Host = "host";
    /// Path and query as received, secrets in the query masked.
    Target = "target";
    /// The path alone, as received. Only where it is chosen.
    Path = "path";
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    Protocol = "protocol";
    /// The status code of the answer; 499 if the client went away before there was one.
    Status = "status";
    /// Why the request failed, if it did: one word of a closed set.
    Reason = "reason";
    /// Where on its way it failed: `header`, `route`, `pool`, `connect`, `request`, `response` or `body`.
    Phase = "phase";
    /// Who ended it, if it failed: `client`, `operator` (a rule of the configuration), `endpoint` or `portcullis` (a limit
    /// or a fault of its own, or its end).
    EndedBy = "ended_by";
    /// Bytes of the request's body.
    BytesReceived = "bytes_received";
    /// Bytes of the answer's body, as they were sent: compressed, and without chunks or frames around them. Where the end
    /// of the process or a timeout cut it, the last of them may not have gone out.
    BytesSent = "bytes_sent";
    /// How many attempts were made at endpoints, hedges among them.
    Attempts = "attempts";
    /// How many of them because the one before had failed.
    Retries = "retries";
    /// Where there was more than one attempt: a list of them, in the order they ended, each with `endpoint`, `status` or
    /// `reason`, `connect`, `first_byte`, and `duration` up to the header of its answer or its failure, in seconds;
    /// a hedge with `hedge: true`. An attempt with neither `status` nor `reason` was given up: for the other one, or with
    /// the request.
    Upstream = "upstream";
    /// Seconds the request waited for a slot of its pool, if it had to.
    Queue = "queue";
    /// Seconds the last attempt took to connect, TLS included; left out if it used an idle connection.
    Connect = "connect";
    /// Seconds from the request sent to the header of the endpoint's answer.
    FirstByte = "first_byte";
    /// The status code of the endpoint's answer.
    UpstreamStatus = "upstream_status";
    /// How the cache served it, if its route has one.
    Cache = "cache";
    /// The request's id, received or made here.
    RequestId = "request_id";
    /// The `User-Agent` field.
    UserAgent = "user_agent";
    /// The `Referer` field, secrets in its query masked.
    Referer = "referer";
    /// The version of TLS between client and listener.
    TlsVersion = "tls_version";
    /// The cipher suite between client and listener.
    TlsCipher = "tls_cipher";
    /// The name in the client's TLS hello.
    Sni = "sni";
}

impl AccessLogField {
    /// Whether it is in a line for which no fields are chosen. What another field says already is not.
    pub const fn is_usual(self) -> bool {
        !matches!(self, Self::Path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_written_in_the_configuration_as_in_the_line() {
        for field in AccessLogField::ALL {
            let written = serde_json::to_value(field).expect("a word");
            assert_eq!(written, field.as_str());
        }
    }
}
