//! Does reading a document find what is in it and tell what is wrong, where?

mod parsing;
mod reading;
mod robustness;

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Node, parse, read};
use crate::config::diagnostics::Diagnostics;

fn parsed(text: &str) -> (Option<Node>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let file: Arc<Path> = Arc::from(Path::new("f"));
    let node = parse(&file, text, &mut diagnostics);
    (node, diagnostics)
}

fn loaded<T: DeserializeOwned>(text: &str) -> (Option<T>, Diagnostics) {
    let (node, mut diagnostics) = parsed(text);
    let value = node.and_then(|node| read(&node, &mut diagnostics));
    // What the parser refuses, a tag for instance, does not keep the rest from being read.
    let value = value.filter(|_| !diagnostics.has_errors());
    (value, diagnostics)
}

/// The value of a document without problems.
fn value<T: DeserializeOwned>(text: &str) -> T {
    let (value, diagnostics) = loaded(text);
    value.unwrap_or_else(|| panic!("{text}: {diagnostics}"))
}

/// What is told about a document, one line each; hints are lines of their own.
fn told<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> Vec<String> {
    let (value, diagnostics) = loaded::<T>(text);
    assert!(value.is_none(), "{text}: {value:?}");
    lines(&diagnostics)
}

fn lines(diagnostics: &Diagnostics) -> Vec<String> {
    diagnostics.to_string().lines().map(str::to_owned).collect()
}
