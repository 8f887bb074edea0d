//! Which networks are meant, written in the configuration or in files that it names?

use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;

use super::files::Sources;
use super::listeners::beside;
use super::reporter::Reporter;
use crate::admission::NetworkSet;
use crate::admission::networks::parse;
use crate::config::{Position, Spanned};

/// How many bad lines of one file are told each by itself.
const TOLD: usize = 20;

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
        let path = beside(file);
        match sources.text(&path) {
            Ok(text) => {
                let before = networks.len();
                read_lines(&key, &path, &text, &mut networks, reporter);
                if networks.len() == before && !reporter.failed() {
                    let message = format!("no network stands in {}", path.display());
                    reporter.warning(&key, file, message, None);
                }
            }
            Err(error) => {
                let message = format!("can't read {}: {error}", path.display());
                reporter.error(&key, file, message, None);
            }
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

/// One network a line; what is behind a `#` is for the reader.
fn read_lines(
    key: &str,
    path: &Path,
    text: &str,
    networks: &mut Vec<IpNet>,
    reporter: &mut Reporter<'_>,
) {
    let file: Arc<Path> = Arc::from(path);
    let mut bad = 0;
    // A byte order mark is what some editors begin a file with.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, number) in text.lines().zip(1..) {
        let network = line.split('#').next().unwrap_or_default().trim();
        if network.is_empty() {
            continue;
        }
        match parse(network) {
            Ok(network) => networks.push(network),
            Err(error) => {
                bad += 1;
                if bad <= TOLD {
                    let column = line.chars().take_while(|char| char.is_whitespace()).count() + 1;
                    let at = Position {
                        file: Arc::clone(&file),
                        line: number,
                        column: u32::try_from(column).unwrap_or(u32::MAX),
                    };
                    reporter.error_at(key, Some(at), error.to_string(), Some(&error.hint()));
                }
            }
        }
    }
    if bad > TOLD {
        let message = format!("{} more lines of {} are wrong", bad - TOLD, path.display());
        reporter.error_at(key, None, message, None);
    }
}
