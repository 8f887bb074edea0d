//! What does the origin learn about where a request came from?

use super::client::X_FORWARDED_FOR;
use super::value::ValueBuffer;
use super::{Fields, Peer, spoofed, via};
use http::header::{self, HeaderName, HeaderValue};
use std::net::IpAddr;

static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Which fields are added. A field that is switched off is still removed when an untrusted peer sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddedFields {
    /// `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`. Default: on.
    pub x_forwarded: bool,
    /// `Forwarded` (RFC 7239). Default: off.
    pub forwarded: bool,
    /// `X-Real-IP`, the client's address alone. Default: off.
    pub x_real_ip: bool,
    /// `Via` (RFC 9110 §7.6.3). Default: on.
    pub via: bool,
}

impl Default for AddedFields {
    fn default() -> Self {
        Self {
            x_forwarded: true,
            forwarded: false,
            x_real_ip: false,
            via: true,
        }
    }
}

/// How the client speaks to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The scheme of a URI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that a URI of this scheme need not name.
    pub const fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// How a request reached the proxy.
#[derive(Clone, Debug)]
pub struct Received {
    /// Who sent it.
    pub peer: Peer,
    /// Where it came from in the first place, by [`super::client_address`].
    pub client: Option<IpAddr>,
    /// How the peer's connection was protected.
    pub scheme: Scheme,
    /// The authority the client asked for, from `Host` or `:authority`.
    pub host: Option<HeaderValue>,
    /// The listener's port, `None` on a Unix socket.
    pub port: Option<u16>,
    /// The protocol it came in.
    pub version: http::Version,
    /// Its id, by [`super::request_id`].
    pub request_id: HeaderValue,
    /// The field that carries the id.
    pub id_field: HeaderName,
}

/// Removes what the peer may not claim, and adds what the proxy knows.
///
/// What a trusted peer says is kept: lists get this hop appended, single values stay. What any other peer says about
/// the same things, in any spelling, is replaced or removed.
pub fn add_request_fields(fields: &mut impl Fields, received: &Received, added: AddedFields) {
    spoofed::remove(fields, received.peer.trusted);
    // A proxy in front that tells of the client only by `X-Forwarded-*` would be contradicted by a `Forwarded` that
    // begins with us, and by a port that is ours.
    let told = [&X_FORWARDED_FOR, &X_FORWARDED_PROTO, &X_FORWARDED_HOST]
        .into_iter()
        .any(|name| fields.map().contains_key(name));
    let added = AddedFields {
        forwarded: added.forwarded && (!told || fields.map().contains_key(header::FORWARDED)),
        ..added
    };
    if added.x_forwarded {
        add_x_forwarded(fields, received, told);
    }
    if added.forwarded {
        add_forwarded(fields, received);
    }
    if added.x_real_ip {
        set_or_remove(fields, &X_REAL_IP, received.client.and_then(address_value));
    }
    if added.via {
        fields.append(header::VIA, via(received.version));
    }
    fields.set(received.id_field.clone(), received.request_id.clone());
}

// After `spoofed::remove` only a trusted peer's fields are left, so from here on what is there may stay.

fn add_x_forwarded(fields: &mut impl Fields, received: &Received, told: bool) {
    if let Some(peer) = received.peer.address {
        let mut list = existing(fields, &X_FORWARDED_FOR);
        list.separate();
        list.push_address(peer);
        set_or_remove(fields, &X_FORWARDED_FOR, list.finish());
    }
    if !fields.map().contains_key(&X_FORWARDED_PROTO) {
        let scheme = HeaderValue::from_static(received.scheme.as_str());
        fields.set(X_FORWARDED_PROTO.clone(), scheme);
    }
    if let Some(host) = &received.host
        && !fields.map().contains_key(&X_FORWARDED_HOST)
    {
        fields.set(X_FORWARDED_HOST.clone(), host.clone());
    }
    if let Some(port) = received.port
        && !told
        && !fields.map().contains_key(&X_FORWARDED_PORT)
    {
        set_or_remove(fields, &X_FORWARDED_PORT, port_value(port));
    }
}

fn add_forwarded(fields: &mut impl Fields, received: &Received) {
    let mut list = existing(fields, &header::FORWARDED);
    list.separate();
    list.push(b"for=");
    match received.peer.address {
        Some(ip @ IpAddr::V4(_)) => list.push_address(ip),
        // The colons of IPv6 are no token characters (RFC 7239 §6).
        Some(ip @ IpAddr::V6(_)) => {
            list.push(b"\"[");
            list.push_address(ip);
            list.push(b"]\"");
        }
        None => list.push(b"unknown"),
    }
    list.push(b";proto=");
    list.push(received.scheme.as_str().as_bytes());
    if let Some(host) = &received.host {
        push_host(&mut list, host.as_bytes());
    }
    set_or_remove(fields, &header::FORWARDED, list.finish());
}

/// Adds the `host` parameter, quoted if its port or brackets demand it. One that no authority can look like is left
/// out, so that no quoting can be broken out of.
fn push_host(list: &mut ValueBuffer, host: &[u8]) {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let is_authority = |byte: &u8| is_name(byte) || b":[]%!$&'()*+,;=".contains(byte);
    if host.is_empty() || !host.iter().all(is_authority) {
        return;
    }
    list.push(b";host=");
    if host.iter().all(is_name) {
        list.push(host);
    } else {
        list.push(b"\"");
        list.push(host);
        list.push(b"\"");
    }
}

/// The list that is there already, its lines joined (RFC 9110 §5.3): origins often read only one line.
fn existing(fields: &impl Fields, name: &HeaderName) -> ValueBuffer {
    let mut list = ValueBuffer::new();
    for line in fields.map().get_all(name) {
        if !line.is_empty() {
            list.separate();
            list.push(line.as_bytes());
        }
    }
    list
}

fn address_value(ip: IpAddr) -> Option<HeaderValue> {
    let mut value = ValueBuffer::new();
    value.push_address(ip);
    value.finish()
}

fn port_value(port: u16) -> Option<HeaderValue> {
    match port {
        80 => Some(HeaderValue::from_static("80")),
        443 => Some(HeaderValue::from_static("443")),
        _ => {
            let mut value = ValueBuffer::new();
            value.push_number(port);
            value.finish()
        }
    }
}

fn set_or_remove(fields: &mut impl Fields, name: &HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => fields.set(name.clone(), value),
        None => fields.remove(name),
    }
}

#[cfg(test)]
mod tests;
