//! Which running process is meant, and where can it be asked?

use super::ConfigFile;
use crate::admin::client::Place;
use crate::config::{Config, Diagnostics, load};
use crate::pool::Address;
use crate::pool::address::{self, WrittenAddress};
use crate::server::directory::{AUTO, Directory};
use crate::server::reload::prepare;

/// Which process is asked.
#[derive(clap::Args)]
pub(super) struct Running {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// Where the process is asked, instead of the control socket in the directory that its configuration names: a control
    /// socket as `unix:/run/portcullis/control.sock`, or the admin listener as `127.0.0.1:9901`.
    #[arg(long, value_name = "unix:/PATH|IP:PORT", value_parser = place)]
    pub(super) at: Option<Address>,
}

impl Running {
    /// The place that was written, or those where it is looked for.
    pub(super) fn place(&self) -> Place {
        match &self.at {
            Some(address) => Place::At(address.clone()),
            None => {
                // What is wrong with the configuration is told by the process; its directory may still be read.
                let mut wrong = Diagnostics::default();
                let path = &self.config.path;
                let loaded = load::load(path, &prepare::environment, &mut wrong);
                let config = loaded.map(|loaded| Config::read(&loaded.root, &mut wrong));
                let directory = config.unwrap_or_default().runtime.directory;
                let mut directories = Directory::candidates(&directory.value, path);
                if directory.value != AUTO {
                    // The process may have been started before this directory was written down, and can say so.
                    directories.extend(Directory::candidates(AUTO, path));
                }
                Place::In(directories, wrong)
            }
        }
    }
}

/// Reads where something listens, as an option has it.
pub(super) fn place(written: &str) -> Result<Address, String> {
    let written = written.strip_prefix("http://").unwrap_or(written);
    match address::parse(written.trim_end_matches('/')) {
        Ok(WrittenAddress::Known(address)) => Ok(address),
        Ok(WrittenAddress::Named { .. } | WrittenAddress::Service { .. }) => {
            Err("write `IP:port` or `unix:/path`".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}
