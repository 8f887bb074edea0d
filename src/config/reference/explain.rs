//! Which keys are shown where, and what is said about each?

use std::collections::HashSet;

use serde_json::Value as Json;

use super::child;
use super::comment::{Paragraph, paragraphs};
use super::shape::{Shape, shape};
use super::value::Value;
use super::write::{Entry, Item, Section, scalar};
use crate::config::document::{Kind, Node};

/// The keys of a configuration with what `schema` says about them. What is `written` is an example.
pub(super) fn explain(
    schema: &Json,
    entries: &[(String, Option<Value>)],
    written: &Node,
) -> Section {
    let mut explainer = Explainer {
        schema,
        present: HashSet::new(),
        explained: HashSet::new(),
        shown: HashSet::new(),
    };
    let whole = shape(schema, schema);
    explainer.collect(&whole, entries);
    let mut section = explainer.section(&whole, entries, Some(written));
    section.apart = true;
    section
}

struct Explainer<'s> {
    schema: &'s Json,
    /// The keys that are set in one place at least, each with its type.
    present: HashSet<(&'s str, &'s str)>,
    /// The keys that have been explained.
    explained: HashSet<(&'s str, &'s str)>,
    /// The types of which all keys, words or details have been shown.
    shown: HashSet<(&'s str, Part)>,
}

/// What there is to be shown of a type.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Keys,
    Words,
    Details,
}

impl<'s> Explainer<'s> {
    fn shape(&self, schema: &'s Json) -> Shape<'s> {
        shape(self.schema, schema)
    }

    fn collect(&mut self, of: &Shape<'s>, entries: &[(String, Option<Value>)]) {
        let Some((name, fields)) = of.fields else {
            return;
        };
        for (key, value) in entries {
            let (Some((key, schema)), Some(value)) = (fields.get_key_value(key), value) else {
                continue;
            };
            self.present.insert((name, key));
            let inner = self.shape(schema);
            match (value, inner.items) {
                (Value::Map(entries), _) => self.collect(&inner, entries),
                (Value::List(list), Some(items)) => {
                    let inner = self.shape(items);
                    for item in list {
                        if let Value::Map(entries) = item {
                            self.collect(&inner, entries);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// The keys of a struct: all of them where it stands first, after that what is written and what is new.
    fn section(
        &mut self,
        of: &Shape<'s>,
        entries: &[(String, Option<Value>)],
        written: Option<&Node>,
    ) -> Section {
        let mut section = Section::default();
        let Some((name, fields)) = of.fields else {
            return section;
        };
        let is_first = self.shown.insert((name, Part::Keys));
        for (key, value) in entries {
            let Some((key, schema)) = fields.get_key_value(key) else {
                continue;
            };
            let is_new = !self.explained.contains(&(name, key.as_str()));
            let inner = self.shape(schema);
            let written = child(written, key);
            let is_elsewhere = self.present.contains(&(name, key.as_str()));
            let is_shown = match value {
                Some(_) => is_first || is_new || written.is_some(),
                None => is_first && !is_elsewhere,
            };
            if !is_shown {
                if is_first {
                    section.elsewhere.push(key.clone());
                }
                continue;
            }
            let comment = self.comment(name, key, schema, &inner, value.as_ref());
            let (item, unset) = match value {
                Some(value) => (self.item(&inner, value, written), false),
                None => {
                    let unset = inner.optional || schema["examples"].is_array();
                    (self.absent(&inner, schema), unset)
                }
            };
            section.entries.push(Entry {
                comment,
                key: key.clone(),
                item,
                example: written.is_some(),
                unset,
            });
        }
        section
    }

    /// What is said about a key where it stands first.
    fn comment(
        &mut self,
        name: &'s str,
        key: &'s str,
        schema: &'s Json,
        inner: &Shape<'s>,
        value: Option<&Value>,
    ) -> Vec<Paragraph> {
        if !self.explained.insert((name, key)) {
            return Vec::new();
        }
        let mut comment = paragraphs(schema["description"].as_str().unwrap_or_default());
        let items = inner.items.map(|items| self.shape(items));
        // Of a list without entries the keys come later, and with them what is said about them.
        let is_bare = matches!(value, Some(Value::List(list)) if list.is_empty())
            || (value.is_none() && !inner.optional);
        let shapes = [(Some(inner), true), (items.as_ref(), !is_bare)];
        for (shape, with_details) in shapes {
            let Some(shape) = shape else { continue };
            for (name, details) in &shape.details {
                if with_details && self.shown.insert((name, Part::Details)) {
                    comment.extend(paragraphs(details));
                }
            }
            if let Some((name, words)) = &shape.words
                && self.shown.insert((name, Part::Words))
            {
                comment.push(Paragraph::Terms(words.clone()));
            }
        }
        comment
    }

    fn item(&mut self, of: &Shape<'s>, value: &Value, written: Option<&Node>) -> Item {
        // One of two forms was written, and the other one was made of it.
        if let (Some(Kind::Scalar { text, .. }), Value::List(_) | Value::Map(_)) =
            (written.map(|node| &node.kind), value)
        {
            return Item::Scalar(scalar(text, !of.takes_numbers));
        }
        match value {
            Value::Scalar { text, string } => {
                Item::Scalar(scalar(text, *string && !of.takes_numbers))
            }
            Value::List(list) => {
                let inner = self.shape(of.items.unwrap_or(&Json::Null));
                let written = match written.map(|node| &node.kind) {
                    Some(Kind::Sequence(written)) => written.as_slice(),
                    _ => &[],
                };
                let items = list.iter().enumerate();
                Item::List(
                    items
                        .map(|(index, item)| self.item(&inner, item, written.get(index)))
                        .collect(),
                )
            }
            Value::Map(entries) if of.fields.is_some() => {
                let mut section = self.section(of, entries, written);
                section.apart = of.fields.is_some_and(|(name, _)| is_named(name));
                Item::Map(section)
            }
            Value::Map(entries) => {
                let inner = self.shape(of.values.unwrap_or(&Json::Null));
                let mut section = Section::default();
                for (key, value) in entries {
                    let Some(value) = value else { continue };
                    section.entries.push(Entry {
                        comment: Vec::new(),
                        key: key.clone(),
                        item: self.item(&inner, value, child(written, key)),
                        example: false,
                        unset: false,
                    });
                }
                Item::Map(section)
            }
        }
    }

    /// What stands behind a key that is not set: what that is the same as, or an example.
    fn absent(&mut self, of: &Shape<'s>, schema: &'s Json) -> Item {
        if let Some(example) = schema["examples"].get(0) {
            return told(example);
        }
        if let Some((_, fields)) = of.fields {
            let entries: Vec<_> = fields.keys().map(|key| (key.clone(), None)).collect();
            return Item::Map(self.section(of, &entries, None));
        }
        match (of.items, of.values) {
            (Some(_), _) => Item::List(Vec::new()),
            (_, Some(_)) => Item::Map(Section::default()),
            _ if of.is_switch => Item::Scalar("false".to_owned()),
            _ => Item::Scalar(String::new()),
        }
    }
}

/// Whether things of a type are the entries of the lists that a configuration consists of.
fn is_named(name: &str) -> bool {
    matches!(name, "Listener" | "Route" | "Pool")
}

/// An example of the schema.
fn told(example: &Json) -> Item {
    match example {
        Json::Array(items) => Item::List(items.iter().map(told).collect()),
        Json::Object(entries) => {
            let entry = |(key, value): (&String, &Json)| Entry {
                comment: Vec::new(),
                key: key.clone(),
                item: told(value),
                example: false,
                unset: false,
            };
            Item::Map(Section {
                entries: entries.iter().map(entry).collect(),
                ..Section::default()
            })
        }
        Json::String(text) => Item::Scalar(scalar(text, false)),
        other => Item::Scalar(other.to_string()),
    }
}
