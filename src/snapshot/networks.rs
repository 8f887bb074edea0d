//! Which networks are meant, written in the configuration or in files that it names?

use ipnet::IpNet;

use super::entries::{Mistake, Text};
use super::files::Sources;
use super::reporter::Reporter;
use crate::admission::NetworkSet;
use crate::admission::networks::{InvalidNetwork, parse};
use crate::config::Spanned;

/// Reads addresses and networks; what is wrong with one is reported.
pub(super) fn networks(
    key: &str,
    written: &[Spanned<String>],
    reporter: &mut Reporter<'_>,
) -> NetworkSet {
    NetworkSet::new(listed(key, written, reporter))
}

/// The same with those that stand in files, one a line.
pub(super) fn networks_and_files(
    (key, written): (&str, &[Spanned<String>]),
    (files_key, files): (&str, &[Spanned<String>]),
    sources: &Sources<'_>,
    reporter: &mut Reporter<'_>,
) -> NetworkSet {
    let mut networks = listed(key, written, reporter);
    for (index, file) in files.iter().enumerate() {
        let key = format!("{files_key}[{index}]");
        let Some(text) = Text::read(&key, file, sources, reporter) else {
            continue;
        };
        let entries = text.each(&key, reporter, |entry, _, _| {
            // What is behind a `#` is for the reader.
            let network = entry.split('#').next().unwrap_or_default();
            networks.push(parse(network.trim_end())?);
            Ok(())
        });
        if entries == 0 {
            let message = format!("no network stands in {}", text.path().display());
            reporter.warning(&key, file, message, None);
        }
    }
    NetworkSet::new(networks)
}

fn listed(key: &str, written: &[Spanned<String>], reporter: &mut Reporter<'_>) -> Vec<IpNet> {
    let read = written.iter().enumerate().filter_map(|(index, network)| {
        parse(&network.value)
            .map_err(|error| {
                let key = format!("{key}[{index}]");
                reporter.error(&key, network, error.to_string(), Some(&error.hint()));
            })
            .ok()
    });
    read.collect()
}

impl From<InvalidNetwork> for Mistake {
    fn from(error: InvalidNetwork) -> Self {
        Self {
            message: error.to_string(),
            hint: Some(error.hint()),
        }
    }
}
