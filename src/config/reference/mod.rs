//! What does every key mean? `conf/reference.yaml`, made from the types that read a configuration.
//!
//! Three things come together: the schema has the doc comments ([`shape`]), a configuration has the values and the order of
//! the keys ([`value`]), and `sample.yaml` says what is shown where there is no default ([`explain`]). [`write`] lays it out.
//!
//! A key is explained where it stands first. The doc comment of its field comes first; that of its type follows without its
//! first paragraph, which is for readers of the code; then the words that may stand there. So a new key is in the reference
//! as soon as it has a doc comment, and one without a default as soon as it has `#[schemars(example = …)]` or stands in the
//! sample.

mod comment;
mod explain;
mod shape;
#[cfg(test)]
mod tests;
mod value;
mod write;

use std::path::Path;
use std::sync::Arc;

use super::document::{self, Kind, Node};
use super::{Config, Diagnostics, Position, print, schema};
use value::Value;

const SAMPLE: &str = include_str!("sample.yaml");

/// What stands above everything.
const HEAD: &str = "\
Every key of a configuration, what it means, and its default: what `portcullis reference` prints. A value is the default unless
`# example` stands beside it. A key behind a `#` is not set, and its value is an example. A configuration needs a listener and
nothing else; whatever is left out is at its default.

How values are written:
- Durations: 250ms, 30s, 5m, 1h, 1d, 1h30m.
- Sizes: 512 (bytes), 16KiB, 16MiB, 1GiB, or kB, MB and GB, which are powers of ten.
- Rates: 100/s, 30/m, 5/h.
- Percentages: whole numbers, without a sign unless one is shown. Other numbers count what their key names.
- `${NAME}` is replaced from the environment and must be set, `${NAME:-default}` has a default; `$${` stands for `${` itself.

Unknown keys are errors. `portcullis check` says everything that is wrong, `portcullis print` shows a configuration with every
default filled in, and `portcullis schema` prints a JSON Schema, with which editors complete and check.

A reload is enough for every key that does not say otherwise: a change holds for each next request, on connections that are open as
well. Limits and timeouts of an HTTP/2 connection itself change with the next connection.";

/// The reference: a configuration with every key, its meaning and its default.
pub fn reference() -> String {
    let mut text = String::new();
    for line in comment::lines(&comment::paragraphs(HEAD), 0) {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&write::write(&section(&sample(), &schema::schema())));
    text
}

/// The sample as it is written.
fn sample() -> Node {
    let file: Arc<Path> = Arc::from(Path::new("sample.yaml"));
    let nothing = Node {
        position: Position {
            file: Arc::clone(&file),
            line: 1,
            column: 1,
        },
        kind: Kind::Null,
    };
    document::parse(&file, SAMPLE, &mut Diagnostics::default()).unwrap_or(nothing)
}

/// Every key with what is said about it, shown with a sample.
fn section(sample: &Node, schema: &serde_json::Value) -> write::Section {
    let config = Config::read(sample, &mut Diagnostics::default());
    match value::value(&print::filled_in(&config)) {
        Some(Value::Map(entries)) => explain::explain(schema, &entries, sample),
        _ => write::Section::default(),
    }
}

/// The value behind a key, if the tree is a mapping that has it.
fn child<'n>(node: Option<&'n Node>, key: &str) -> Option<&'n Node> {
    match &node?.kind {
        Kind::Mapping(entries) => {
            let found = entries.iter().find(|(name, _)| name.name == key);
            found.map(|(_, value)| value)
        }
        _ => None,
    }
}
