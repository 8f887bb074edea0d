//! What changes in a message's fields on its way through? Everything here is a pure function over [`Fields`].
//!
//! A request is forwarded in this order, and the order is the security argument: first
//! [`strip_request`] removes what belongs to the client's connection, nominated fields included, then
//! [`add_request_fields`] removes what the client may not claim and adds what the proxy knows. So nothing a client sends
//! can remove or forge a field of the proxy's. [`client_address`] and [`request_id`] read the request as it came in, and
//! so are called before. A response passes [`strip_response`] and [`add_response_fields`].

mod address;
mod client;
mod cookies;
mod hop_by_hop;
mod request;
mod request_id;
mod response;
mod spoofed;
mod value;

use http::{HeaderMap, HeaderName, HeaderValue};

pub use client::{Peer, TrustedProxies, client_address};
pub use cookies::remove_cookie;
pub use hop_by_hop::{Keep, strip_request, strip_response};
pub use request::{AddedFields, Received, Scheme, add_request_fields};
pub use request_id::{X_REQUEST_ID, request_id};
pub use response::{add_response_fields, proxy_status};
pub use spoofed::is_claim;

/// The header fields of a message, whoever stores them.
///
/// Pingora keeps the spelling of each name next to the `HeaderMap`, so the map can't be edited behind its back: reading
/// goes through [`Fields::map`], every change through the three methods.
pub trait Fields {
    /// The fields as they are now.
    fn map(&self) -> &HeaderMap;
    /// Removes every line of `name`, if there is one.
    fn remove(&mut self, name: &HeaderName);
    /// Replaces every line of `name` by this one.
    fn set(&mut self, name: HeaderName, value: HeaderValue);
    /// Adds a line of `name` after the others.
    fn append(&mut self, name: HeaderName, value: HeaderValue);
}

impl Fields for HeaderMap {
    fn map(&self) -> &HeaderMap {
        self
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove(name);
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.insert(name, value);
    }

    fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.append(name, value);
    }
}

/// The `Via` member for a message received as `version` (RFC 9110 §7.6.3).
fn via(version: http::Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        http::Version::HTTP_09 => "0.9 portcullis",
        http::Version::HTTP_10 => "1.0 portcullis",
        http::Version::HTTP_2 => "2 portcullis",
        http::Version::HTTP_3 => "3 portcullis",
        _ => "1.1 portcullis",
    })
}

/// The members of a comma-separated list (RFC 9110 §5.6.1), without the space around them; empty ones are left out.
fn members(value: &HeaderValue) -> impl DoubleEndedIterator<Item = &[u8]> {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}
