//! What is written down about each request?

mod field;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Share;
use super::{ByteSize, Spanned, Timespan};

pub use field::AccessLogField;

/// One line for every finished request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccessLog {
    /// The shape of its lines. Default: json.
    pub format: AccessLogFormat,
    /// A file's path, `stdout` or `stderr`. A file is opened for appending and made with mode 0640; SIGUSR1 opens it
    /// anew, as logrotate wants it. Default: stdout.
    pub path: Spanned<String>,
    /// How many bytes may wait to be written. When the disk is slower than the requests, lines past this are dropped
    /// and counted in `portcullis_access_log_lines_total`; a request never waits. Default: 8MiB.
    pub queue: ByteSize,
    /// Which fields a line of JSON has, in this order. Empty for all but `path`. Default: empty.
    pub fields: Vec<Spanned<AccessLogField>>,
    /// Fields of requests and answers that a line of JSON has as well.
    pub headers: LoggedHeaders,
    /// Which share of the requests has a line. Always logged are those with a reason or a status from 400 on, those that
    /// were tried again, and those that took as long as `slow`. Below 100% a line of JSON says in `sample` what share of
    /// its like is logged, from 0 to 1, so that a count is the sum of `1 / sample`. Default: 100%.
    pub sample: Spanned<Share>,
    /// How long a request must take to be logged always, as `2s`. Default: unset, the time does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "2s")]
    pub slow: Option<Spanned<Timespan>>,
    /// What is written as `***`.
    pub mask: LogMask,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            format: AccessLogFormat::Json,
            path: Spanned::new("stdout".to_owned()),
            queue: ByteSize::mib(8),
            fields: Vec::new(),
            headers: LoggedHeaders::default(),
            sample: Spanned::new(Share::ALL),
            slow: None,
            mask: LogMask::default(),
        }
    }
}

/// Fields of requests and answers that a line has as well.
///
/// They stand under `request_headers` and `response_headers`, by their names in small letters. What came in several
/// lines is joined by a comma.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoggedHeaders {
    /// Names of fields of requests, as the client sent them. Default: empty.
    pub request: Vec<Spanned<String>>,
    /// Names of fields of answers, as the client gets them. Default: empty.
    pub response: Vec<Spanned<String>>,
}

/// What is written as `***`.
///
/// Names are compared in any case, and `*` in one stands for anything; a list that is given takes the place of the
/// default one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogMask {
    /// Parameters of queries, in the target, in `Referer` and in fields chosen in `headers`, whose values are masked,
    /// however their names are encoded; not in paths, `;jsessionid=` included. A name is compared whole, and each part
    /// of it between `[`, `]` and `.`. Those in which a route of the listener looks for a key or a token are always
    /// masked, and so are user and password before a host. Masked without a look are values whose names have more than
    /// 64 bytes, and all that follows 256 parameters. Default: names that tell of tokens, keys, passwords, secrets, codes,
    /// sessions and signatures.
    pub query: Vec<Spanned<String>>,
    /// Fields whose values are masked, should they be chosen in `headers`. Those in which a route looks for a key, a token
    /// or a password always are. Default: those that carry credentials and cookies.
    pub headers: Vec<Spanned<String>>,
}

/// The default of [`LogMask::query`]: what OAuth 2.0 and OpenID Connect, SAML, signed addresses of object stores and the
/// habits of interfaces put in a query that whoever reads a log could use.
const MASKED_QUERY: [&str; 30] = [
    "*token*",
    "*password*",
    "*passwd*",
    "passphrase",
    "pass",
    "pwd",
    "pw",
    "otp",
    "*secret*",
    "*api_key*",
    "*api-key*",
    "*apikey*",
    "key",
    "*access_key*",
    "*private_key*",
    "*signature",
    "sig",
    "*credential*",
    "auth",
    "authorization",
    "bearer",
    "code",
    "*_code",
    "*jwt*",
    "session",
    "*sess*id",
    "sid",
    "*assertion",
    "samlresponse",
    "ticket",
];

/// The default of [`LogMask::headers`].
const MASKED_HEADERS: [&str; 14] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "*token*",
    "*secret*",
    "*password*",
    "*api-key*",
    "*apikey*",
    "*jwt*",
    "*assertion*",
    "*session*",
    "*signature*",
    "*credential*",
];

impl Default for LogMask {
    fn default() -> Self {
        let list = |names: &[&str]| {
            let names = names.iter().map(|name| Spanned::new((*name).to_owned()));
            names.collect()
        };
        Self {
            query: list(&MASKED_QUERY),
            headers: list(&MASKED_HEADERS),
        }
    }
}

/// The shape of an access log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLogFormat {
    /// One JSON object a line.
    Json,
    /// The combined format of nginx and Apache.
    Combined,
    /// No access log.
    Off,
}
