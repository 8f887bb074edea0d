//! Do bodies flow, in both directions and at the pace of whoever is slower?

mod endpoints;
mod framing;
mod grpc;
mod large;
mod leaving;
mod live;
pub mod pieces;
mod stray;
mod websocket;
