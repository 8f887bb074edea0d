//! How is the process looked at and steered? Over an own listener with metrics, probes and reload, apart from all
//! traffic, and over a control socket that only its own user reaches. The commands of the command line use the latter.

mod answer;
mod asked;
mod cache;
pub mod client;
mod compare;
mod control;
mod door;
mod drain;
mod pools;
mod purge;
mod reply;
mod report;
mod scrape;
mod serve;
mod taking;

pub use answer::{UpgradeRequest, View};
pub use cache::{CacheReport, RouteReport, Served};
pub use compare::{Candidate, Comparison};
pub use control::{ControlError, ControlSocket};
pub use door::{AdminDoor, OpenAdmin, key as admin_key};
pub use drain::{DrainReport, NotFound};
pub use pools::{EndpointReport, NameReport, PoolReport, PoolsReport, RequestsReport};
pub use purge::{PurgeAnswer, PurgeRequest};
pub use report::{ReloadReport, ReloadResult, UpgradeReport};
pub use serve::Askers;
