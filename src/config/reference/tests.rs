//! Is the reference up to date, complete, and does it say of each key what has to be known?

use regex::Regex;
use serde_json::Value as Json;

use super::comment::Paragraph;
use super::shape::shape;
use super::write::{Item, Section};
use super::{Config, Diagnostics, reference, sample, section};
use crate::config::document::{Kind, Node};
use crate::config::{ByteSize, Timespan, print, schema};

#[test]
fn the_reference_is_what_the_types_say() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/reference.yaml");
    let made = reference();
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        std::fs::write(&path, &made).expect("writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == made,
        "conf/reference.yaml is not what `portcullis reference` prints: a key or a doc comment in src/config has changed. \
         Make it anew with `PORTCULLIS_BLESS=1 cargo test --lib config::reference`, and read the difference"
    );
}

#[test]
fn no_line_is_wider_than_the_page() {
    for line in reference().lines() {
        assert!(line.chars().count() <= super::comment::WIDTH, "{line}");
    }
}

/// Calls `look` with each key of each type, as `Type.key`, its schema, and whether it must be given.
fn each_key(schema: &Json, mut look: impl FnMut(&str, &Json, bool)) {
    let mut open = vec![("Config", schema)];
    let definitions = schema["$defs"].as_object().expect("types");
    open.extend(definitions.iter().map(|(name, one)| (name.as_str(), one)));
    let mut keys = 0;
    while let Some((name, one)) = open.pop() {
        let alternatives = one["anyOf"].as_array().into_iter().flatten();
        open.extend(alternatives.map(|one| (name, one)));
        for (key, field) in one["properties"].as_object().into_iter().flatten() {
            let required = one["required"].as_array().into_iter().flatten();
            let required = required.into_iter().any(|required| required == key);
            look(&format!("{name}.{key}"), field, required);
            keys += 1;
        }
    }
    assert!(keys > 200, "{keys}");
}

#[test]
fn every_key_is_in_the_reference_with_what_is_said_about_it() {
    fn bare(text: &str) -> String {
        let words = text.split_whitespace();
        let words = words.filter(|word| !matches!(*word, "#" | "-"));
        words.collect::<Vec<_>>().join(" ")
    }
    let text = reference();
    let all = bare(&text);
    each_key(&schema::schema(), |key, field, _| {
        let description = field["description"].as_str();
        let description = description.unwrap_or_else(|| panic!("{key} has no doc comment"));
        assert!(
            all.contains(&bare(description)),
            "{key} is not explained in the reference: let sample.yaml have it, or give it `#[schemars(example = …)]`"
        );
        let name = key.rsplit('.').next().expect("a key");
        let starts = |line: &str| {
            let line = line.trim_start_matches([' ', '#', '-']);
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(':'))
        };
        assert!(text.lines().any(starts), "{key} has no line of its own");
    });
}

#[test]
fn every_key_that_may_be_left_out_says_what_holds_then() {
    let schema = schema::schema();
    let mut wrong = Vec::new();
    each_key(&schema, |key, field, required| {
        let shape = shape(&schema, field);
        // A section that is always there: its own keys say it.
        let is_section = shape.fields.is_some() && !shape.optional;
        let is_list_of_everything =
            matches!(key, "Config.listeners" | "Config.routes" | "Config.pools");
        let said = field["description"].as_str().unwrap_or_default();
        if !(required || is_section || is_list_of_everything || said.contains("Default:")) {
            wrong.push(key.to_owned());
        }
    });
    assert!(wrong.is_empty(), "these do not say `Default: …`: {wrong:?}");
}

#[test]
fn every_number_size_and_time_has_a_unit() {
    let counted = [
        "bytes",
        "percent",
        "requests",
        "connections",
        "threads",
        "attempts",
        "retries",
        "bits",
        "status code",
        "port",
        "fields",
        "streams",
        "level",
        "checks",
        "number",
        "points",
        "places",
        "weights",
        "keys",
        "tokens",
        "times",
        "failures",
        "how often",
    ];
    let with_unit =
        Regex::new(r"(?i)\b[0-9.]+ ?(ns|us|ms|s|m|h|d|KiB|MiB|GiB|seconds)\b|[0-9]/[smh]\b")
            .expect("a pattern");
    let schema = schema::schema();
    let mut wrong = Vec::new();
    each_key(&schema, |key, field, _| {
        let written = field.to_string();
        let of = |name: &str| written.contains(&format!("#/$defs/{name}\""));
        let is_time = ["Timespan", "Rate", "HedgeAfter"].into_iter().any(of);
        if !is_time && !shape(&schema, field).takes_numbers {
            return;
        }
        let said = field["description"].as_str().unwrap_or_default();
        let folded = said.to_lowercase();
        let is_counted = counted.iter().any(|word| folded.contains(word));
        if !with_unit.is_match(said) && (is_time || !is_counted) {
            wrong.push(format!("{key}: {said}"));
        }
    });
    assert!(
        wrong.is_empty(),
        "these do not say in what they are measured, or what they count: {wrong:#?}"
    );
}

#[test]
fn the_default_that_is_said_is_the_default_that_is_shown() {
    fn look(section: &Section, at: &str, compared: &mut usize, wrong: &mut Vec<String>) {
        for entry in &section.entries {
            let at = format!("{at}.{}", entry.key);
            match &entry.item {
                Item::Map(inner) => look(inner, &at, compared, wrong),
                Item::List(items) => {
                    for item in items {
                        if let Item::Map(inner) = item {
                            look(inner, &at, compared, wrong);
                        }
                    }
                }
                Item::Scalar(shown) if !entry.example && !entry.unset => {
                    let said = entry.comment.iter().find_map(|paragraph| match paragraph {
                        Paragraph::Text(text) => text.split_once("Default: "),
                        _ => None,
                    });
                    let Some((_, said)) = said else { continue };
                    if !is_same(said, shown) {
                        wrong.push(format!("{at} is {shown}, and says: {said}"));
                    }
                    *compared += 1;
                }
                Item::Scalar(_) => {}
            }
        }
    }
    /// The first words of `said`, as times and sizes where they are such.
    fn is_same(said: &str, shown: &str) -> bool {
        let end = [". ", ", "]
            .into_iter()
            .filter_map(|end| said.find(end))
            .min();
        let said = &said[..end.unwrap_or(said.len())];
        let said = said.strip_suffix('.').unwrap_or(said).trim_matches('`');
        let shown = shown.trim_matches('"');
        let same_time = said
            .parse::<Timespan>()
            .is_ok_and(|said| Ok(said) == shown.parse());
        let same_size = said
            .parse::<ByteSize>()
            .is_ok_and(|said| Ok(said) == shown.parse());
        let by_another = said.starts_with("as ") || (said, shown) == ("empty", "");
        said == shown || same_time || same_size || by_another
    }
    let mut compared = 0;
    let mut wrong = Vec::new();
    let section = section(&sample(), &schema::schema());
    look(&section, "", &mut compared, &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(compared > 100, "{compared}");
}

#[test]
fn the_sample_says_nothing_that_is_the_default() {
    /// The tree without each of its values in turn, and where that one was.
    fn without_one(node: &Node, at: &str) -> Vec<(String, Node)> {
        let mut found = Vec::new();
        let mut put = |inner: Vec<(String, Node)>, replace: &dyn Fn(Node) -> Kind| {
            found.extend(inner.into_iter().map(|(at, inner)| {
                let mut whole = node.clone();
                whole.kind = replace(inner);
                (at, whole)
            }));
        };
        match &node.kind {
            Kind::Mapping(entries) => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    let at = format!("{at}.{}", key.name);
                    put(without_one(value, &at), &|inner| {
                        let mut entries = entries.clone();
                        entries[index].1 = inner;
                        Kind::Mapping(entries)
                    });
                    let mut rest = entries.clone();
                    rest.remove(index);
                    let mut whole = node.clone();
                    whole.kind = Kind::Mapping(rest);
                    put(vec![(at, whole)], &|whole| whole.kind);
                }
            }
            Kind::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    put(without_one(item, &format!("{at}[{index}]")), &|inner| {
                        let mut items = items.clone();
                        items[index] = inner;
                        Kind::Sequence(items)
                    });
                }
            }
            _ => {}
        }
        found
    }
    /// Each section, and each entry of a list, alone: to read all of them for each key would take long.
    fn parts(sample: &Node) -> Vec<Node> {
        let Kind::Mapping(sections) = &sample.kind else {
            panic!("sections")
        };
        let mut parts = Vec::new();
        for (key, value) in sections {
            let alone = |value: &Node| Node {
                kind: Kind::Mapping(vec![(key.clone(), value.clone())]),
                ..sample.clone()
            };
            match &value.kind {
                Kind::Sequence(items) => parts.extend(items.iter().map(|item| {
                    alone(&Node {
                        kind: Kind::Sequence(vec![item.clone()]),
                        ..value.clone()
                    })
                })),
                _ => parts.push(alone(value)),
            }
        }
        parts
    }
    let read = |node: &Node| {
        let mut diagnostics = Diagnostics::default();
        let config = Config::read(node, &mut diagnostics);
        (print::filled_in(&config), diagnostics)
    };
    let mut keys = 0;
    for part in parts(&sample()) {
        let (whole, diagnostics) = read(&part);
        assert!(diagnostics.is_empty(), "{diagnostics}");
        for (at, without) in without_one(&part, "") {
            let (without, diagnostics) = read(&without);
            // What can't be left out has no default.
            assert!(
                !diagnostics.is_empty() || without != whole,
                "{at} is what it is by default: the reference would mark it as an example"
            );
            keys += 1;
        }
    }
    assert!(keys > 100, "{keys}");
}
