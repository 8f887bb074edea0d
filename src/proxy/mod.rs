//! proxy
pub mod forward;
