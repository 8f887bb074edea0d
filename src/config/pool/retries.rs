//! When is an attempt that failed made again?

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::units::Percent;
use crate::config::{Spanned, Timespan};

/// When an attempt that failed is made again.
///
/// It goes to another endpoint if there is one. Only idempotent methods are repeated (RFC 9110 §9.2.2), unless there
/// was no connection, or an HTTP/2 endpoint said that it did nothing with the request (REFUSED_STREAM, or left out at
/// GOAWAY; RFC 9113 §8.7), or the route says otherwise; only bodies of which not more than 64 KiB were sent; and never
/// after a part of an answer, an interim one (1xx) included, has gone to the client. A request for another protocol
/// (WebSocket) is repeated only when there was no connection. An idle connection that turns out to be closed is no
/// failed attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// Attempts after the first, 0 to 10; 0 for none. Default: 1.
    pub limit: Spanned<u32>,
    /// After what:
    /// - `connect`: refused, failed, not open in time;
    /// - `reset`: lost before the answer's header;
    /// - `timeout`: `per_try_timeout`, `first_byte` or `write` was over;
    /// - status codes from 400 to 599, as 503 or 502-504; after the last attempt the endpoint's answer is passed on.
    ///
    /// Default: connect, reset.
    pub on: Spanned<Vec<Spanned<RetryOn>>>,
    /// How long one attempt may take, from its beginning to the header of its answer; 0s for no limit of its own. Not
    /// for HTTP/2 endpoints. What is not carried directly then gets a connection of its own, as where `first_byte` and
    /// `read` differ, and the time begins anew when the connection is open and with each piece of the body that is
    /// sent. When it is over, that is logged as `upstream_first_byte_timeout`. Default: 0s.
    pub per_try_timeout: Spanned<Timespan>,
    /// How long is waited before one.
    pub backoff: Backoff,
    /// How many of them the pool may see, all its requests together; one beyond that is not made.
    pub budget: Spanned<RetryBudget>,
}

impl Default for Retries {
    fn default() -> Self {
        let word = |word: &str| Spanned::new(RetryOn::Word(word.to_owned()));
        Self {
            limit: Spanned::new(1),
            on: Spanned::new(vec![word("connect"), word("reset")]),
            per_try_timeout: Spanned::new(Timespan::secs(0)),
            backoff: Backoff::default(),
            budget: Spanned::new(RetryBudget::default()),
        }
    }
}

/// After what an attempt is made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RetryOn {
    /// `connect`, `reset`, `timeout`, or status codes as text: `503`, `502-504`.
    Word(String),
    /// A status code.
    Status(u16),
}

impl<'de> Deserialize<'de> for RetryOn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not derived as untagged: that would answer every mistake with "did not match any variant".
        struct WordOrStatus;

        impl Visitor<'_> for WordOrStatus {
            type Value = RetryOn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`connect`, `reset`, `timeout` or a status code such as 503")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<RetryOn, E> {
                Ok(RetryOn::Word(word.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, status: u64) -> Result<RetryOn, E> {
                // What is too large is no status code, and is told as it is written.
                let too_large = |_| RetryOn::Word(status.to_string());
                Ok(u16::try_from(status).map_or_else(too_large, RetryOn::Status))
            }
        }

        deserializer.deserialize_any(WordOrStatus)
    }
}

/// How long is waited before an attempt is made again.
///
/// Some random part of a time that doubles with each. The first retry after a failed connect goes to an endpoint that
/// was not tried yet, at once, if there is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// The time before the first. Default: 25ms.
    pub base: Timespan,
    /// The longest time. Default: 250ms.
    pub max: Spanned<Timespan>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Timespan::millis(25),
            max: Spanned::new(Timespan::millis(250)),
        }
    }
}

/// How many retries a pool may see, all its requests together. One beyond that is not made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryBudget {
    /// Their share of the requests of the last ten seconds, in percent: 0 to 100. Default: 20.
    pub percent: Percent,
    /// So many retries in each second, however few requests there are. Default: 10.
    pub min_per_second: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            percent: Percent::new(20),
            min_per_second: 10,
        }
    }
}

/// Retries of one route, instead of its pool's. What is not given stays the pool's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteRetries {
    /// Attempts after the first, 0 to 10; 0 for none. Default: the pool's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Spanned<u32>>,
    /// After what, as in the pool. Default: the pool's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Spanned<Vec<Spanned<RetryOn>>>>,
    /// How long one attempt may take; 0s for no limit of its own. Default: the pool's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<Spanned<Timespan>>,
    /// Whether POST and PATCH are repeated as well: only where the endpoints take care of requests that come twice.
    /// Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub non_idempotent: bool,
}

impl RouteRetries {
    /// Whether the pool's hold.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_status_code_and_one_that_is_too_large_stays_as_it_is_written() {
        let read = |text| serde_json::from_str::<RetryOn>(text).expect("a word or a number");
        assert_eq!(read("503"), RetryOn::Status(503));
        assert_eq!(read("70000"), RetryOn::Word("70000".to_owned()));
        assert_eq!(read("\"502-504\""), RetryOn::Word("502-504".to_owned()));
    }
}
