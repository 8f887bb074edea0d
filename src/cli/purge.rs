//! How does an operator end the use of stored responses?

use std::process::ExitCode;

use clap::ArgGroup;
use http::StatusCode;

use super::{Running, say};
use crate::admin::client::{AskError, read};
use crate::admin::{PurgeAnswer, PurgeRequest};

/// What is to be purged.
#[derive(clap::Args)]
#[group(skip)]
#[command(group(
    ArgGroup::new("what").required(true).multiple(true).args(["urls", "prefixes", "tags", "all"])
))]
pub struct Purge {
    /// The objects of an address, as `https://example.com/a?x=1`; what was fetched over `http` and over `https`, and every
    /// variant. May be given again.
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,
    /// Those whose address begins like this, as `https://example.com/images/`. May be given again.
    #[arg(long = "prefix", value_name = "URL")]
    prefixes: Vec<String>,
    /// Those with this tag in `Cache-Tag` or `Surrogate-Key`. May be given again.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
    /// Make them stale instead of removing them: they are asked about before they are used again, and may still be used
    /// where a stale answer may.
    #[arg(long)]
    soft: bool,
}

impl Purge {
    /// Asks the process for it.
    pub(super) fn order(self, running: &Running) -> Result<ExitCode, AskError> {
        let request = PurgeRequest {
            url: self.urls,
            prefix: self.prefixes,
            tag: self.tags,
            all: self.all,
            soft: self.soft,
        };
        // Strings and truth values: writing them does not fail.
        let body = serde_json::to_vec(&request).unwrap_or_default();
        let answer = running.place().ask("/cache/purge", body)?;
        let report: PurgeAnswer = read(answer, &[StatusCode::OK])?;
        Ok(say(&report.to_string(), ExitCode::SUCCESS))
    }
}
