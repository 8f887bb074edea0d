//! Is everything counted once, under its name, and gone when its subject is?

mod cache;
mod certificates;
mod lifetime;
mod names;
mod process;
mod requests;
mod settling;

use super::*;
use crate::error::Reason;

fn rendered(metrics: &Metrics) -> String {
    let mut out = Vec::new();
    metrics.render(&mut out);
    String::from_utf8(out).expect("the text format is UTF-8")
}

fn has_line(metrics: &Metrics, line: &str) -> bool {
    rendered(metrics).lines().any(|other| other == line)
}

fn metrics() -> Metrics {
    Metrics::new().expect("metrics")
}

#[test]
fn two_sets_of_metrics_know_nothing_of_each_other() {
    let (one, other) = (metrics(), metrics());
    let (unrouted, _held) = (one.route(NO_ROUTE), other.route(NO_ROUTE));
    unrouted.failed(Reason::NoRoute);
    let line = "portcullis_failures_total{reason=\"no_route\",route=\"(none)\"} 1";
    assert!(has_line(&one, line));
    assert!(!has_line(&other, line));
}

/// The names of metrics are in one file, where help and labels are.
#[test]
fn no_other_file_of_the_source_has_the_name_of_a_metric() {
    fn files(directory: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => files(&path, found),
                false => found.push(path),
            }
        }
    }
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&source, &mut found);
    let is_test = |path: &std::path::Path| {
        let mut parts = path.components();
        parts.any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
    };
    let mut named = Vec::new();
    for path in found {
        let is_rust = path.extension().is_some_and(|kind| kind == "rs");
        if !is_rust || is_test(path.strip_prefix(&source).expect("within")) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let code = text.split("#[cfg(test)]").next().expect("a first part");
        if code.contains("\"portcullis_") {
            named.push(path.file_name().expect("a name").to_owned());
        }
    }
    assert_eq!(named, ["catalogue.rs"]);
}
