//! In which order are the entries of lists, maps and structs read, and what happens when one fails?

use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::failure::{Failure, listed};
use super::instead;
use super::key_path::KeyPath;
use super::reader::{Reader, whole_numbers};
use super::variant::Variant;
use super::{Key, Node, scalar, spanned};
use crate::config::diagnostics::{Diagnostic, quoted, suggestion};

/// The entries of a list.
pub(super) struct List<'de, 'p> {
    list: Reader<'de, 'p>,
    entries: &'de [Node],
    next: usize,
    /// Whether a later pass goes on where this one ended.
    resumes: bool,
}

impl<'de, 'p> List<'de, 'p> {
    /// The entries that were not read in an earlier pass.
    pub(super) fn new(list: Reader<'de, 'p>, entries: &'de [Node]) -> Self {
        let next = list.passes.first_entry(list.node);
        Self {
            list,
            entries,
            next,
            resumes: true,
        }
    }

    /// All entries, in every pass: what each means depends on its number.
    pub(super) fn whole(list: Reader<'de, 'p>, entries: &'de [Node]) -> Self {
        Self {
            list,
            entries,
            next: 0,
            resumes: false,
        }
    }
}

impl<'de> SeqAccess<'de> for List<'de, '_> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let Reader { node, path, passes } = self.list;
        let index = self.next;
        let Some(entry) = self.entries.get(index) else {
            if self.resumes {
                passes.done_up_to(node, index);
            }
            return Ok(None);
        };
        self.next += 1;
        let reader = Reader {
            node: entry,
            path: &KeyPath::Index(path, index),
            passes,
        };
        match reader.read(seed) {
            Ok(value) => Ok(Some(value)),
            Err(failure) if self.resumes => Err(passes.cut_entry(node, index, &failure)),
            Err(failure) => Err(failure),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len() - self.next.min(self.entries.len()))
    }
}

/// The entries of a map, whose keys may be any.
pub(super) struct Map<'de, 'p> {
    map: Reader<'de, 'p>,
    entries: &'de [(Key, Node)],
    next: usize,
}

impl<'de, 'p> Map<'de, 'p> {
    /// The entries that were not read in an earlier pass.
    pub(super) fn new(map: Reader<'de, 'p>, entries: &'de [(Key, Node)]) -> Self {
        let next = map.passes.first_entry(map.node);
        Self { map, entries, next }
    }
}

impl<'de> MapAccess<'de> for Map<'de, '_> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let Reader { node, path, passes } = self.map;
        let index = self.next;
        let Some((key, _)) = self.entries.get(index) else {
            passes.done_up_to(node, index);
            return Ok(None);
        };
        match seed.deserialize(KeyReader { key }) {
            Ok(value) => Ok(Some(value)),
            Err(failure) => {
                if let Failure::Untold(untold) = &failure {
                    let diagnostic = Diagnostic::error(path.to_string(), untold.message.clone());
                    let diagnostic = diagnostic.hint(untold.hint.clone());
                    passes.tell(diagnostic.at(key.position.clone()));
                }
                Err(passes.cut_entry(node, index, &failure))
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let Reader { node, path, passes } = self.map;
        let index = self.next;
        let Some((key, value)) = self.entries.get(index) else {
            return Err(Failure::definite("a value without a key", None));
        };
        self.next += 1;
        let reader = Reader {
            node: value,
            path: &KeyPath::Key(path, &key.name),
            passes,
        };
        reader
            .read(seed)
            .map_err(|failure| passes.cut_entry(node, index, &failure))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len() - self.next.min(self.entries.len()))
    }
}

/// The entries of a struct: those with its keys; the others are told and skipped.
pub(super) struct Fields<'de, 'p> {
    mapping: Reader<'de, 'p>,
    entries: std::slice::Iter<'de, (Key, Node)>,
    fields: &'static [&'static str],
    value: Option<&'de (Key, Node)>,
}

impl<'de, 'p> Fields<'de, 'p> {
    pub(super) fn new(
        mapping: Reader<'de, 'p>,
        entries: &'de [(Key, Node)],
        (name, fields): (&str, &'static [&'static str]),
    ) -> Self {
        // All of them at once, before a field's failure ends the pass.
        for (key, value) in entries {
            let unknown = !fields.contains(&key.name.as_str());
            if unknown && mapping.passes.fail(value) {
                let meant = suggestion(&key.name, fields.iter().copied());
                let message = format!("unknown key {}{meant}", quoted(&key.name));
                let diagnostic = Diagnostic::error(mapping.path.to_string(), message);
                let hint = instead::of_key(name, &key.name).map(str::to_owned);
                let diagnostic = diagnostic.hint(hint.or_else(|| listed("keys", fields)));
                mapping.passes.tell(diagnostic.at(key.position.clone()));
            }
        }
        Self {
            mapping,
            entries: entries.iter(),
            fields,
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        for entry in self.entries.by_ref() {
            let (key, value) = entry;
            let known = self.fields.contains(&key.name.as_str());
            if known && !self.mapping.passes.leaves_out(value) {
                self.value = Some(entry);
                let name = BorrowedStrDeserializer::<Failure>::new(&key.name);
                return seed.deserialize(name).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let Some((key, value)) = self.value.take() else {
            return Err(Failure::definite("a value without a key", None));
        };
        let passes = self.mapping.passes;
        let reader = Reader {
            node: value,
            path: &KeyPath::Key(self.mapping.path, &key.name),
            passes,
        };
        reader
            .read(seed)
            .map_err(|failure| passes.cut_field(value, &failure))
    }
}

/// A key of a map, as text or as whatever its type makes of a plain scalar.
struct KeyReader<'de> {
    key: &'de Key,
}

impl<'de> KeyReader<'de> {
    /// The key as a plain scalar: what `Reader` has to look for, a key always is.
    fn scalar(&self, _expected: &dyn fmt::Display) -> Result<(&'de str, bool), Failure> {
        Ok((&self.key.name, true))
    }
}

impl<'de> Deserializer<'de> for KeyReader<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_borrowed_str(&self.key.name)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_bool(scalar::read_bool(&self.key.name, true)?)
    }

    whole_numbers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == spanned::NAME {
            spanned::hand_over(&self.key.position);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_enum(Variant::Word(&self.key.name))
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}
