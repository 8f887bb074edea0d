//! Is there any text that makes parsing or reading panic, hang or run out of stack?

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::super::{MAX_DEPTH, Spanned};
use super::{loaded, value};

/// Something of every kind that serde's derive knows.
#[derive(Deserialize, PartialEq)]
struct Everything {
    routes: Vec<Everything>,
    #[serde(default)]
    pools: BTreeMap<String, Choice>,
    port: Option<Spanned<u16>>,
    #[serde(default)]
    any: serde_json::Value,
    #[serde(default)]
    pair: Option<(bool, f64)>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Word,
    Value(Vec<u8>),
    Fields { name: String, more: Box<Everything> },
}

const SEED: &str = "\
any: &d {port: 80}
routes:
- routes: []
  port: 8080
  pools: {a: word, b: {value: [1, 2]}}
- <<: *d
  routes: [{routes: [], pair: [true, 1.5]}]
  any: {x: [1, 'two', ~], y: |
    text
  }
pools:
  c:
    fields: {name: \"n\\t\", more: {routes: []}}
port: 443
";

/// Pieces that mean something in YAML.
const PIECES: [&str; 24] = [
    "- ",
    "? ",
    ": ",
    ":",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\n",
    "\n  ",
    "&d ",
    "*d",
    "<<: ",
    "!!int ",
    "!x ",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "#",
    "---\n",
    "%YAML 1.2\n",
    "\t",
];

fn survives(text: &str) {
    let (value, diagnostics) = loaded::<Everything>(text);
    assert_eq!(value.is_none(), diagnostics.has_errors(), "{text:?}");
    let again = loaded::<Everything>(text);
    assert!((value, diagnostics) == again, "{text:?}");
}

#[test]
fn the_document_that_is_changed_is_valid_itself() {
    assert!(value::<Everything>(SEED).routes.len() == 2);
}

#[test]
fn the_deepest_document_is_read_on_a_small_stack() {
    let lists = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    let routes = "{routes: [".repeat(MAX_DEPTH / 2) + &"]}".repeat(MAX_DEPTH / 2);
    value::<serde_json::Value>(&lists);
    value::<Everything>(&routes);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn text_of_yaml_pieces_is_read_or_refused(
        pieces in prop::collection::vec((0..PIECES.len(), "[a-z0-9~.]{0,2}"), 0..40),
    ) {
        let text: String = pieces.iter().map(|(piece, word)| format!("{}{word}", PIECES[*piece])).collect();
        survives(&text);
    }

    #[test]
    fn a_document_with_changes_is_read_or_refused(
        changes in prop::collection::vec((0..SEED.len(), 0..12_usize, 0..PIECES.len()), 1..6),
    ) {
        let mut text = SEED.to_owned();
        for (start, length, piece) in changes {
            let start = start.min(text.len());
            let end = (start + length).min(text.len());
            text.replace_range(start..end, PIECES[piece]);
        }
        survives(&text);
    }
}
