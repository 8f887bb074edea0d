//! Which answers are kept, and who may have them again? A shared HTTP cache by RFC 9111.
//!
//! [`rules`] decides and is pure. An [`object`] is one stored response; it is found by its key, in memory or on disk.

pub mod address;
pub mod alive;
pub mod disk;
pub mod key;
pub mod memory;
pub mod object;
pub mod purge;
pub mod report;
pub mod result;
pub mod rule;
pub mod rules;
mod settings;
mod tiers;

pub use key::{KeyParts, KeyRule};
pub use object::{Body, Chunks, Head, Object, Stored, Varies};
pub use result::CacheResult;
pub use rule::{Bypass, Rule};
pub use settings::{CacheSettings, DiskSettings};
pub use tiers::Cache;
