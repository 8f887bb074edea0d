//! Does every path do what the table of the crate says, seen by a real client?

mod breaking;
mod client;
mod fields;
mod grpc;
mod life;
mod pacing;
mod program;
mod raw;
mod report;
mod script;
mod sizes;
mod status;
mod tls;
mod websocket;
