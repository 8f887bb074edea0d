//! The process: sockets, workers, connections, and how it all starts, changes and stops.
//!
//! Portcullis brings its own listening service (see [`service`]) instead of Pingora's: each worker thread accepts on its
//! own socket of every door, reads PROXY headers and whole request headers under deadlines of its own, parks idle
//! connections without buffers, and hands requests to pingora-proxy's `HttpProxy`.
//!
//! | | |
//! |---|---|
//! | start | [`run`], [`prepare`], [`exit`], `service`, `supervisor`, `pid_file`, [`directory`] |
//! | accept | [`door`], [`doors`], [`listen`], `worker`, `open`, [`socket_file`] |
//! | a connection's life | [`connection`], `http1`, `http2`, [`head`], `chunked`, `frames`, `websocket`, [`stay`] |
//! | change and end | [`reload`], `watcher`, `retired`, [`signals`], `stop`, [`upgrade`] |

mod chunked;
pub mod connection;
pub mod directory;
pub mod door;
pub mod doors;
pub mod exit;
mod frames;
pub mod head;
mod http1;
mod http2;
pub mod listen;
pub mod live;
mod open;
mod pid_file;
mod pong;
pub mod prepare;
pub mod process;
pub mod proxy_protocol;
pub mod reload;
mod retired;
pub mod run;
mod service;
pub mod signals;
pub mod socket;
pub mod socket_file;
pub mod stay;
mod stop;
mod supervisor;
#[cfg(test)]
mod tests;
mod turn_away;
pub mod upgrade;
mod watcher;
mod websocket;
mod wire;
mod worker;
