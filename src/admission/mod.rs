//! Who may come in, and how much of it? What decides it by addresses and numbers alone, and so names no connection and no
//! session.

pub mod networks;
pub mod rate;

pub use networks::{InvalidNetwork, NetworkSet};
