//! Which route does a request match? Pure: no I/O, no clock, no state but the table itself.
//!
//! A request is brought into its normal form once ([`normalise_host`], [`normalise_path`]); the normal
//! form is what is matched here and what is forwarded, so the proxy and the endpoint can't read the
//! same request in two ways.
//!
//! # Precedence
//!
//! All routes that match are compared, and the first difference decides (Kubernetes Gateway API,
//! `HTTPRouteRule.matches`). The order of the configuration only counts when all else is equal.
//!
//! | # | criterion      | wins                                                                    |
//! |---|----------------|-------------------------------------------------------------------------|
//! | 1 | host           | exact, then the longer wildcard, then the shorter wildcard, then any     |
//! | 2 | path           | exact, then regex (longest pattern first), then the longest prefix       |
//! | 3 | method         | a route that names methods, over one that takes any                      |
//! | 4 | headers        | more header matchers                                                    |
//! | 5 | query          | more query matchers                                                     |
//! | 6 | order          | the earlier route of the configuration                                  |
//!
//! Two points the Gateway API leaves open are decided so:
//!
//! - **A regex stands between exact paths and prefixes**, as in Envoy Gateway and nginx: below the
//!   prefixes it would never be reached next to a catch-all `/`. Regexes of equal length are tried in
//!   the alphabetical order of their patterns, so the order of unrelated routes does not matter.
//! - **Hosts fall through.** A request no route of the most specific host takes is offered to the
//!   routes of the next host that matches, down to those for any host: precedence is among the routes
//!   that match, and a route that does not match has none. (An nginx `server` or an Envoy virtual
//!   host would answer 404 here.)
//!
//! # Cost
//!
//! A lookup is one hash probe for the exact host, one for each label of the host that could start a
//! wildcard, and one for each segment of the path that some route knows; then the rules for that host
//! and path are tried in order of precedence. The number of hosts and paths in the table does not
//! enter. Regexes of the host, and rules that differ only in their method, header and query matchers,
//! are tried one after the other. A lookup allocates nothing, with three exceptions: a regex fills
//! its own cache the first times a thread runs it; a header regex joins the lines of a repeated field;
//! a query regex decodes a value that has escapes.

mod claim;
pub mod cookie;
mod host;
mod host_index;
pub mod key;
mod overlap;
mod path;
mod pattern;
mod predicate;
mod query;
mod table;
mod tree;
mod whole_regex;

#[cfg(test)]
mod tests;

pub use claim::claim;
pub use host::{InvalidHost, normalise as normalise_host};
pub use path::{AmbiguousPath, normalise as normalise_path};
pub use pattern::{HostPattern, InvalidPattern, PathPattern};
pub use predicate::{HeaderMatch, QueryMatch, ValueMatch};
pub use query::{decode as decoded_parameter, encode as encode_parameter, parameter};
pub use query::{
    decoded as query_decoded, value as query_value, values as query_values,
    without as query_without,
};
pub use table::{Matcher, Request, RouteMatch, RouteTable};
pub use whole_regex::WholeRegex;
