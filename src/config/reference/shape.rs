//! What does the schema say about a place in the configuration?

use serde_json::{Map, Value as Json};

/// What may stand at a place, with what is written about it.
#[derive(Default)]
pub(super) struct Shape<'s> {
    /// The keys, and the type they are of; `None` for what is no struct.
    pub(super) fields: Option<(&'s str, &'s Map<String, Json>)>,
    /// The words that may stand here, and the type they are of.
    pub(super) words: Option<(&'s str, Vec<(String, String)>)>,
    /// What the types behind it say beyond their first paragraph, and which they are.
    pub(super) details: Vec<(&'s str, &'s str)>,
    /// The schema of a list's items.
    pub(super) items: Option<&'s Json>,
    /// The schema of the values behind names that are the operator's.
    pub(super) values: Option<&'s Json>,
    /// Whether it may be left out without there being a value then.
    pub(super) optional: bool,
    /// Whether a bare number may stand here.
    pub(super) takes_numbers: bool,
    /// Whether it is true or false.
    pub(super) is_switch: bool,
}

/// What may stand where `schema`, a part of `root`, is asked for.
pub(super) fn shape<'s>(root: &'s Json, schema: &'s Json) -> Shape<'s> {
    let mut shape = Shape::default();
    // The name of the whole: its definition has none.
    let name = schema["title"].as_str().unwrap_or_default();
    shape.look(root, schema, name);
    shape
}

impl<'s> Shape<'s> {
    fn look(&mut self, root: &'s Json, schema: &'s Json, name: &'s str) {
        if let Some(pointer) = schema["$ref"].as_str() {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            if let Some(definition) = root.pointer(pointer.trim_start_matches('#')) {
                self.look(root, definition, name);
                let description = definition["description"].as_str();
                let details = description.and_then(|text| text.split_once("\n\n"));
                self.details.extend(details.map(|(_, rest)| (name, rest)));
            }
        }
        for alternative in schema["anyOf"].as_array().into_iter().flatten() {
            self.look(root, alternative, name);
        }
        let words = schema["oneOf"].as_array().into_iter().flatten();
        let words: Vec<_> = words.filter_map(word).collect();
        if !words.is_empty() {
            self.words.get_or_insert((name, words));
            return;
        }
        if let Some(fields) = schema["properties"].as_object() {
            self.fields.get_or_insert((name, fields));
        }
        self.items = self.items.or(schema.get("items"));
        let values = schema.get("additionalProperties");
        self.values = self.values.or(values.filter(|values| values.is_object()));
        for kind in kinds(schema) {
            self.optional |= kind == "null";
            self.takes_numbers |= matches!(kind, "integer" | "number");
            self.is_switch |= kind == "boolean";
        }
    }
}

/// The JSON types of a schema: one, or a list of them.
fn kinds(schema: &Json) -> impl Iterator<Item = &str> {
    let one = schema["type"].as_str();
    let many = schema["type"].as_array().into_iter().flatten();
    one.into_iter().chain(many.filter_map(Json::as_str))
}

/// A variant: a word, or a key that has a value behind it.
fn word(variant: &Json) -> Option<(String, String)> {
    let name = match variant["const"].as_str() {
        Some(word) => word.to_owned(),
        None => format!("{}:", variant["properties"].as_object()?.keys().next()?),
    };
    Some((name, variant["description"].as_str()?.to_owned()))
}
