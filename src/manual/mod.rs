//! How is it used, how does it fit together, and why so? Pages to read; no code.
//!
//! [`guides`] are for whoever runs it. [`architecture`] and [`decisions`] are for whoever changes it, [`threat_model`] for
//! both. Every key of the configuration stands in `conf/reference.yaml`.

pub mod guides;

#[doc = include_str!("architecture.md")]
pub mod architecture {}

#[doc = include_str!("decisions.md")]
pub mod decisions {}

#[doc = include_str!("threat_model.md")]
pub mod threat_model {}
