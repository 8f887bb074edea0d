//! At which keys do two parts of the configuration differ, and how is that said?
//!
//! They are compared as JSON, so that a new key is told of without a line of code here. Compared are the real values;
//! shown are only those that [`crate::config::print`] shows.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::pairs::{Pairs, pairs};
use crate::config::diagnostics::{LONGEST_QUOTE, quoted};
use crate::config::print::Printed;

/// The most details that are told of one thing.
const MOST_DETAILS: usize = 8;

/// The list of a pool whose items are told apart by their `address`.
const ENDPOINTS: &str = "endpoints";

/// One key at which two parts of the configuration differ.
pub(super) struct Edit {
    /// The dotted key, without the section: `timeouts.read`.
    pub key: String,
    /// What became of it.
    pub change: Altered,
}

/// What became of the value of a key.
pub(super) enum Altered {
    /// It is another one.
    Value { old: Shown, new: Shown },
    /// Items of a list came, went or changed: one text for each.
    Items(Vec<String>),
}

/// What a message tells of a value.
#[derive(PartialEq)]
pub(super) enum Shown {
    /// The key is not given.
    Unset,
    /// The value, in one short line.
    Said(String),
    /// Nothing: it is long, or holds a secret.
    Unsaid,
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        match &self.change {
            Altered::Value { old, new } => match told(old, new) {
                Some(text) => write!(f, " {text}"),
                None => Ok(()),
            },
            Altered::Items(items) => write!(f, " {}", bounded(items.clone()).join(", ")),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shown::Unset => UNSET,
            Shown::Said(text) => text,
            Shown::Unsaid => "…",
        })
    }
}

/// How a key that is not given is called.
const UNSET: &str = "unset";

/// What may be said about a change from `old` to `new`; `None` for no more than that there is one.
fn told(old: &Shown, new: &Shown) -> Option<String> {
    match (old, new) {
        (Shown::Unset, Shown::Unsaid) => Some("added".to_owned()),
        (Shown::Unsaid, Shown::Unset) => Some("removed".to_owned()),
        (Shown::Unsaid, _) | (_, Shown::Unsaid) => None,
        // Cut, they may look the same.
        _ if old == new => None,
        _ => Some(format!("{old} -> {new}")),
    }
}

/// No more than [`MOST_DETAILS`], and how many were left out.
pub(super) fn bounded(mut details: Vec<String>) -> Vec<String> {
    let more = details.len().saturating_sub(MOST_DETAILS);
    if more > 0 {
        details.truncate(MOST_DETAILS);
        details.push(format!("and {more} more"));
    }
    details
}

/// A name or a value for a message: as it is if it is a short word, else in quotation marks, escaped and cut.
pub(super) fn word(text: &str) -> String {
    let plain = |character: char| {
        character.is_alphanumeric()
            || (character.is_ascii_punctuation() && !"\",;".contains(character))
    };
    let short = text.chars().nth(LONGEST_QUOTE).is_none();
    if short && !text.is_empty() && text != UNSET && text.chars().all(plain) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Where `old` and `new` differ once the defaults are filled in.
pub(super) fn between<T: Printed>(old: &T, new: &T) -> Vec<Edit> {
    let (old, new) = (Forms::of(old), Forms::of(new));
    let mut edits = Vec::new();
    walk("", old.side(), new.side(), &mut edits);
    edits
}

/// A part of the configuration as it is, and as it may be shown.
struct Forms {
    real: Value,
    masked: Value,
}

impl Forms {
    fn of<T: Printed>(part: &T) -> Self {
        fn json(part: &impl Serialize) -> Value {
            serde_json::to_value(part).unwrap_or_default()
        }
        let mut part = part.clone();
        part.fill_in();
        let real = json(&part);
        part.mask();
        let masked = json(&part);
        Self { real, masked }
    }

    fn side(&self) -> Side<'_> {
        Side {
            real: Some(&self.real),
            masked: Some(&self.masked),
        }
    }
}

/// A value in both forms; `None` where it is not given.
#[derive(Clone, Copy)]
struct Side<'v> {
    real: Option<&'v Value>,
    masked: Option<&'v Value>,
}

impl<'v> Side<'v> {
    fn at(self, key: &str) -> Self {
        Self {
            real: self.real.and_then(|value| value.get(key)),
            masked: self.masked.and_then(|value| value.get(key)),
        }
    }

    fn items(self) -> Vec<Side<'v>> {
        let list = |form: Option<&'v Value>| form.and_then(Value::as_array);
        let masked = list(self.masked).map_or(&[][..], Vec::as_slice);
        let real = list(self.real).map_or(&[][..], Vec::as_slice);
        let side = |(index, real)| Side {
            real: Some(real),
            masked: masked.get(index),
        };
        real.iter().enumerate().map(side).collect()
    }

    fn address(&self) -> &'v str {
        let address = self.real.and_then(|endpoint| endpoint.get("address"));
        address.and_then(Value::as_str).unwrap_or_default()
    }

    fn shown(self) -> Shown {
        match self.real {
            None | Some(Value::Null) => Shown::Unset,
            real if real != self.masked => Shown::Unsaid,
            Some(value) => text(value).map_or(Shown::Unsaid, Shown::Said),
        }
    }
}

fn walk(key: &str, old: Side<'_>, new: Side<'_>, edits: &mut Vec<Edit>) {
    if old.real == new.real {
        return;
    }
    let change = match (old.real, new.real) {
        (Some(Value::Object(before)), Some(Value::Object(now))) => {
            let gone = before.keys().filter(|name| !now.contains_key(*name));
            for name in now.keys().chain(gone) {
                let dotted = match key {
                    "" => word(name),
                    _ => format!("{key}.{}", word(name)),
                };
                walk(&dotted, old.at(name), new.at(name), edits);
            }
            return;
        }
        (Some(Value::Array(_)), Some(Value::Array(_))) if key == ENDPOINTS => {
            Altered::Items(endpoints(&old.items(), &new.items()))
        }
        _ => Altered::Value {
            old: old.shown(),
            new: new.shown(),
        },
    };
    edits.push(Edit {
        key: key.to_owned(),
        change,
    });
}

fn endpoints(old: &[Side<'_>], new: &[Side<'_>]) -> Vec<String> {
    let Pairs {
        now,
        removed,
        reordered,
    } = pairs(old, new, Side::address);
    let mut texts = Vec::new();
    let mut changed = Vec::new();
    for (before, endpoint) in now {
        let address = word(endpoint.address());
        let Some(before) = before else {
            texts.push(format!("{address} added"));
            continue;
        };
        let mut edits = Vec::new();
        walk("", *before, *endpoint, &mut edits);
        for Edit { key, change } in edits {
            let told = match change {
                Altered::Value { old, new } => told(&old, &new),
                Altered::Items(_) => None,
            };
            let told = told.unwrap_or_else(|| "changed".to_owned());
            changed.push(format!("{key} of {address} {told}"));
        }
    }
    let gone = |endpoint: &Side<'_>| format!("{} removed", word(endpoint.address()));
    texts.extend(removed.into_iter().map(gone));
    texts.append(&mut changed);
    if reordered {
        texts.push("order changed".to_owned());
    }
    texts
}

/// A value in YAML's flow style; `None` for a list or mapping that is long.
fn text(value: &Value) -> Option<String> {
    let flow = match value {
        Value::String(text) => return Some(word(text)),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(text).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Object(entries) => {
            let entry = |(name, value): (&String, _)| {
                text(value).map(|value| format!("{}: {value}", word(name)))
            };
            let entries: Option<Vec<String>> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries?.join(", "))
        }
        scalar => return Some(scalar.to_string()),
    };
    flow.chars().nth(LONGEST_QUOTE).is_none().then_some(flow)
}
