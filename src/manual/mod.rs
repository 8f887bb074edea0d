//! How does it fit together, and why so? Pages to read; no code.

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("decisions.md")]
pub mod decisions {}

#[doc = include_str!("threat_model.md")]
pub mod threat_model {}
