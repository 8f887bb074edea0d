//! How does a test start Portcullis and talk to it?
//!
//! - [`Portcullis`]: the built binary in a directory of its own; its ports, its log lines, its metrics, its reloads, its
//!   upgrades, its end. [`Former`]: a process that another has followed.
//! - [`free_port`]: a port that stands in a configuration.
//! - [`Client`] ([`http1`], [`http2`], [`https1`], [`https2`], [`unix1`]): a real HTTP client.
//! - [`Raw`]: a client that sends exact bytes, legal or not, and reads what comes back.
//! - [`Frames`]: the same for HTTP/2.
//! - [`Callers`]: clients that connect and ask until nobody listens any more.
//! - [`WebSocket`]: a WebSocket client.
//! - [`Ledger`]: clients of all kinds that write down what became of each request, while something happens.
//! - [`Authority`]: certificates for made-up names.
//! - [`Dns`]: a name server that says what the test wants.
//! - [`Redis`]: a redis-server of the test's own.
//! - [`Systemd`]: what systemd is told.
//! - [`Issuer`]: whoever signs tokens, and serves the keys they are verified with.
//! - [`skipped`]: what a test says that can't be run here.
//! - [`eventually`]: waiting for a fact. [`at_once`]: that nothing is waited for. [`both_carriers`]: the same test through both carriers.

mod callers;
mod certificates;
mod client;
mod dns;
pub mod frames;
mod issuer;
mod ledger;
mod portcullis;
mod ports;
mod raw;
mod redis;
mod site;
mod skipped;
mod systemd;
mod tls;
mod waiting;
mod websocket;

pub use callers::Callers;
pub use certificates::{Authority, Identity};
pub use client::{Answer, Body, Client, full, http1, http2, https1, https2, over, request, unix1};
pub use dns::{Dns, Says};
pub use frames::{Ended, Frame, Frames};
pub use issuer::{Issuer, Serves, SigningKey};
pub use ledger::{Kind, Ledger, Report, What};
pub use portcullis::{Former, Portcullis, Said};
pub use ports::free_port;
pub use raw::{Raw, RawResponse};
pub use redis::Redis;
pub use site::{Carrier, arrived, both_carriers, origin, site, three_origins};
pub use skipped::skipped;
pub use systemd::Systemd;
pub use tls::{client_config, tls, tls_over};
pub use waiting::{PATIENCE, at_once, eventually, eventually_some, in_time};
pub use websocket::WebSocket;
