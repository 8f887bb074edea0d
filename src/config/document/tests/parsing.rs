//! Which texts are a tree, and which one?

use std::collections::BTreeMap;

use super::super::{MAX_DEPTH, MAX_NODES};
use super::{lines, parsed, value};

type Texts = BTreeMap<String, String>;

fn texts(entries: &[(&str, &str)]) -> Texts {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn refused(text: &str) -> Vec<String> {
    let (_, diagnostics) = parsed(text);
    assert!(diagnostics.has_errors(), "{text}");
    lines(&diagnostics)
}

#[test]
fn an_empty_file_is_an_empty_mapping() {
    for text in ["", "\n\n", "# nothing\n", "---\n# nothing\n...\n"] {
        let (node, diagnostics) = parsed(text);
        assert!(diagnostics.is_empty(), "{text:?}: {diagnostics}");
        assert!(node.is_some());
    }
    assert_eq!(value::<Texts>("# nothing\n"), Texts::new());
}

#[test]
fn a_byte_order_mark_is_not_part_of_the_first_key() {
    assert_eq!(value::<Texts>("\u{feff}a: b\n"), texts(&[("a", "b")]));
}

#[test]
fn a_syntax_error_is_told_at_its_place() {
    assert_eq!(
        refused("a:\n\tb: 1\n"),
        ["f:2:2: error: not valid YAML: tabs disallowed within this context (block indentation)"]
    );
    for text in [
        "a: [1,",
        "a: b\n c: d\n",
        "a: \"b",
        "a: *b",
        "@a: b",
        "a: 1\n\0b: 2",
        "a: b #\0\nc: d",
    ] {
        refused(text);
    }
}

#[test]
fn a_key_given_twice_is_told_with_the_first_place() {
    assert_eq!(
        refused("a: 1\nb: {c: 1, d: 2, c: 3}\na: 2\n"),
        [
            "f:2:17: error: the key \"c\" is given twice; the first is in line 2, column 5",
            "f:3:1: error: the key \"a\" is given twice; the first is in line 1, column 1",
        ]
    );
}

#[test]
fn a_second_document_is_refused() {
    assert_eq!(
        refused("a: 1\n---\nb: 2\n"),
        ["f:2:1: error: a file can hold only one YAML document; this is a second one"]
    );
}

#[test]
fn only_tags_of_the_core_schema_that_fit_are_taken() {
    assert_eq!(
        value::<Texts>("a: !!str 12\nb: !!int 12\nc: ! 12"),
        texts(&[("a", "12"), ("b", "12"), ("c", "12")])
    );
    assert_eq!(
        refused("a: !env PORT"),
        ["f:1:4: error: unknown tag `!env`"]
    );
    assert_eq!(
        refused("a: !!int x\nb: !!seq {}"),
        [
            "f:1:4: error: the tag `!!int` does not fit this value",
            "f:2:4: error: the tag `!!seq` does not fit this value",
        ]
    );
    assert_eq!(refused("a: !!str []").len(), 1);
    assert_eq!(refused("a: !!binary aGk=").len(), 1);
}

#[test]
fn keys_are_their_text_and_must_be_scalars() {
    assert_eq!(
        value::<Texts>("80: a\ntrue: b\n~: c\n\"\": d\n"),
        texts(&[("80", "a"), ("true", "b"), ("~", "c"), ("", "d")])
    );
    assert_eq!(
        refused("[a]: b"),
        ["f:1:1: error: a key can't be a list or a mapping"]
    );
    assert_eq!(
        refused("a: &x [1]\n*x : b"),
        ["f:2:1: error: a key can't be a list or a mapping"]
    );
}

#[test]
fn an_alias_stands_for_the_value_of_its_anchor() {
    let values: BTreeMap<String, Texts> = value("a: &x {b: c}\nd: *x\n");
    assert_eq!(values["a"], values["d"]);
    assert_eq!(
        refused("a: &x [*x]"),
        ["f:1:8: error: an alias can't stand inside of what it is an alias for"]
    );
}

#[test]
fn yaml_1_1_merge_own_keys_win_then_the_first_of_the_list() {
    let text = "a: &a {k: a, l: a}\nb: &b {k: b, m: b}\nc:\n  k: c\n  <<: [*a, *b]\n  n: c\nd:\n  <<: *b\n";
    let values: BTreeMap<String, Texts> = value(text);
    assert_eq!(
        values["c"],
        texts(&[("k", "c"), ("l", "a"), ("m", "b"), ("n", "c")])
    );
    assert_eq!(values["d"], values["b"]);
    assert_eq!(value::<Texts>("\"<<\": a"), texts(&[("<<", "a")]));
    assert_eq!(
        refused("<<: [1]"),
        ["f:1:6: error: `<<` merges mappings, but this is \"1\""]
    );
}

#[test]
fn a_document_is_bounded_in_depth() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(!parsed(&nested(MAX_DEPTH)).1.has_errors());
    let message = "nested more than 128 levels deep";
    assert!(refused(&nested(MAX_DEPTH + 1))[0].contains(message));
    assert!(refused(&"- ".repeat(100_000))[0].contains(message));
    assert!(refused(&"? ".repeat(100_000))[0].contains("error"));
    assert!(refused(&"[".repeat(100_000))[0].contains("error"));
    assert!(refused(&"{a: ".repeat(100_000))[0].contains("error"));
    // An alias adds its own depth to that of its place.
    let alias = format!(
        "a: &x {}\nb: {}*x{}\n",
        nested(70),
        "[".repeat(70),
        "]".repeat(70)
    );
    assert!(refused(&alias)[0].contains(message));
}

#[test]
fn a_document_is_bounded_in_size_after_aliases_and_merges() {
    let message = format!("more than {MAX_NODES} values");
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut merges = "m0: &m0 {k: *a3}\n".to_owned();
    for level in 1..30 {
        let below = level - 1;
        let aliases = vec![format!("*a{below}"); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        merges.push_str(&format!(
            "m{level}: &m{level} {{<<: [*m{below}, *m{below}]}}\n"
        ));
    }
    assert!(refused(&laughs)[0].contains(&message));
    let head: String = laughs
        .lines()
        .take(4)
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(refused(&format!("{head}{merges}"))[0].contains(&message));
}
