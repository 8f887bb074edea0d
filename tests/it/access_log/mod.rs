//! Does the access log show what was chosen, hide what is secret, take the share that it should, and lose nothing when it is
//! rotated?

mod chosen;
mod rotation;
mod sample;
mod secrets;

use crate::support::*;

/// A site with these settings of the access log, in YAML's flow style.
fn logging(origin: &origin::Origin, settings: &str) -> String {
    let log = format!("access_log: {{path: access.log{settings}}}\n");
    site("", origin.address()) + &log
}
