//! Is what is in `deploy/` in step with what it deploys, and does it speak of what there is?

mod alerts;
mod dashboards;
mod manifests;
mod prometheus;
mod queries;
mod shipped;

use std::fs;
use std::path::{Path, PathBuf};

/// A file below `deploy/`.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name)
}

/// Its text.
fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
