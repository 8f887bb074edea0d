//! The process: sockets, workers, connections, and how it all starts and stops.
//!
//! Portcullis brings its own listening service (see [`service`]) instead of Pingora's: each worker thread accepts on its
//! own socket of every listener, reads PROXY headers and whole request headers under deadlines of its own, parks idle
//! connections without buffers, and hands requests to pingora-proxy's `HttpProxy`.

mod chunked;
pub mod connection;
mod frames;
pub mod head;
mod http1;
mod http2;
pub mod listen;
mod live;
mod open;
pub mod proxy_protocol;
pub mod run;
mod service;
pub mod signals;
pub mod socket;
mod wire;
mod worker;
