//! What does Portcullis tell about itself? Metrics, one line for each finished request, and the log of the process.
//!
//! Nothing here knows the proxy: the other modules hold handles from [`Metrics`] and build a [`Record`] when a request
//! ends. Nothing here can fail a request or make it wait.

pub mod access_log;
mod address;
mod digits;
mod json;
pub mod metrics;
mod panics;
mod plain;
pub mod process_log;
pub mod record;
pub mod seldom;
mod timestamp;

pub use access_log::AccessLog;
pub use metrics::Metrics;
pub use record::Record;
