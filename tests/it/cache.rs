//! Does the response cache do what RFC 9110 and 9111 say, as clients and endpoints see it?

mod asking;
mod freshness;
mod stale;
mod storing;
