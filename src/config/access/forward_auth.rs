//! Which service is asked whether a request may go on?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Spanned, Timespan};

/// A service that is asked about each request, and whose answer decides.
///
/// With 2xx the request goes on. Any 3xx or 4xx goes to the client as it is, with its fields and its body: the login
/// page's address, the challenge. A body of more than 64 KiB, one that breaks off or comes too late is left out, and
/// the client gets an empty one. Everything else is no answer, and `on_failure` says what follows.
///
/// It is asked without the request's body. Besides the fields of `request_headers` it is told `X-Forwarded-Method`,
/// `-Proto`, `-Host`, `-Uri` and `-For` (the client's own address alone), the same as `X-Original-Method` and
/// `X-Original-URI`, and `X-Request-ID`. The path is always the one in normal form, by which the route was found and
/// which the endpoint gets, not what the client wrote: the service must not judge another path than is then asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardAuth {
    /// The pool of the service, balanced, checked, guarded and asked again as that says; over HTTP/1.1.
    pub pool: Spanned<String>,
    /// What is asked for, with a query if it needs one. Default: the request's own path and query.
    #[serde(
        default,
        deserialize_with = "crate::config::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub path: Option<Spanned<String>>,
    /// The method it is asked with, whatever the request's own is. Default: GET.
    #[serde(default)]
    pub method: ForwardAuthMethod,
    /// How long it may take, all attempts together. Default: 2s.
    #[serde(default = "timeout")]
    pub timeout: Spanned<Timespan>,
    /// Which of the request's fields it is given, as the endpoint would get them: without a password, key or token that a
    /// policy before keeps from the endpoint (`forward: false`). Default: [Authorization, Cookie].
    #[serde(default = "request_headers")]
    pub request_headers: Vec<Spanned<String>>,
    /// Fields of its 2xx answer that the endpoint is given. What a client sends under these names never reaches the
    /// endpoint. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_headers: Vec<Spanned<String>>,
    /// Fields of its 2xx answer that the client is given. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client_headers: Vec<Spanned<String>>,
    /// What follows when it can't be asked, gives no answer in time (what decides is the answer's header), answers with
    /// 5xx, or breaks off. Default: refuse.
    #[serde(default)]
    pub on_failure: Spanned<OnFailure>,
    /// With which status code it is then refused: 503 or 403. Default: 503.
    #[serde(
        default,
        deserialize_with = "crate::config::document::given",
        skip_serializing_if = "Option::is_none"
    )]
    pub status: Option<Spanned<u16>>,
}

impl ForwardAuth {
    /// The status of a refusal where none is written.
    pub const STATUS: u16 = 503;

    /// Writes the status that is not written.
    pub fn fill_in(&mut self) {
        if self.on_failure.value == OnFailure::Refuse {
            self.status.get_or_insert(Spanned::new(Self::STATUS));
        }
    }
}

/// A method that asks without changing anything, so that it can be asked again when a connection is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ForwardAuthMethod {
    /// The service may send a body for the client.
    #[default]
    Get,
    /// The service sends no body, and so does the client get none.
    Head,
}

/// What follows when the service gives no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The request is refused.
    #[default]
    Refuse,
    /// It goes on unasked, which lets everyone in.
    Allow,
}

fn timeout() -> Spanned<Timespan> {
    Spanned::new(Timespan::secs(2))
}

fn request_headers() -> Vec<Spanned<String>> {
    ["Authorization", "Cookie"]
        .map(|name| Spanned::new(name.to_owned()))
        .into()
}
