//! Who may come in, and how much of it? What decides it by addresses, numbers and secrets alone, and so names no
//! connection and no session.

pub mod api_keys;
pub mod client;
pub mod connections;
pub mod memory;
pub mod networks;
pub mod overload;
pub mod passwords;
pub mod rate;
pub mod shared;

pub use client::Client;
pub use networks::{InvalidNetwork, NetworkSet};
