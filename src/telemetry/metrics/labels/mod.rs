//! Which label values are a closed set that nothing from outside can extend?

mod cache;
mod listeners;
mod pools;
mod reload;
mod shared;

pub use cache::{DiskOperation, Fetch, PurgeKind};
pub use listeners::{Flood, Protocol, RefusedReason, ResetBy, TlsVersion};
pub use pools::{HedgeResult, RetryResult};
pub use reload::ReloadResult;
pub use shared::Missed;
