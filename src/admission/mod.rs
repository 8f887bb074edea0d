//! Who may come in? What decides it by addresses and numbers alone, and so names no connection and no session.

pub mod networks;

pub use networks::{InvalidNetwork, NetworkSet};
