//! Which variant of an enum does a value name?
//!
//! A variant without values is a word (`round_robin`), one with values is a mapping with one key (`hash: …`): the same
//! forms that the JSON schema of the enum describes.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, VariantAccess, Visitor};

use super::failure::{Failure, listed};
use super::key_path::KeyPath;
use super::reader::Reader;
use super::{Key, Kind, Node};
use crate::config::diagnostics::{Diagnostic, quoted};

/// The name of a variant and its value.
pub(super) enum Variant<'de, 'p> {
    Word(&'de str),
    Entry {
        mapping: Reader<'de, 'p>,
        key: &'de Key,
        value: &'de Node,
    },
}

impl<'de, 'p> Variant<'de, 'p> {
    /// The variant that a scalar or mapping names.
    pub(super) fn new(
        reader: Reader<'de, 'p>,
        variants: &'static [&'static str],
    ) -> Result<Self, Failure> {
        match &reader.node.kind {
            Kind::Scalar { text, .. } => Ok(Variant::Word(text)),
            Kind::Mapping(entries) => match entries.as_slice() {
                [(key, value)] => Ok(Variant::Entry {
                    mapping: reader,
                    key,
                    value,
                }),
                [] => Err(Failure::definite(
                    "expected one key, found none",
                    listed("choices", variants),
                )),
                [.., (surplus, _)] => Err(too_many(reader, entries, surplus, variants)),
            },
            _ => {
                let found = reader.node.described();
                let message = format!("expected a word or a mapping with one key, found {found}");
                Err(Failure::definite(message, listed("choices", variants)))
            }
        }
    }
}

/// Tells surplus keys at the last of them.
fn too_many(
    reader: Reader<'_, '_>,
    entries: &[(Key, Node)],
    surplus: &Key,
    variants: &[&str],
) -> Failure {
    let names: Vec<String> = entries.iter().map(|(key, _)| quoted(&key.name)).collect();
    let message = format!("only one key can stand here, found {}", names.join(" and "));
    let diagnostic = Diagnostic::error(reader.path.to_string(), message);
    let diagnostic = diagnostic.hint(listed("choices", variants));
    reader.passes.tell(diagnostic.at(surplus.position.clone()));
    Failure::Told
}

impl<'de, 'p> EnumAccess<'de> for Variant<'de, 'p> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Failure> {
        let name = BorrowedStrDeserializer::<Failure>::new(self.name());
        match (seed.deserialize(name), &self) {
            (Ok(value), _) => Ok((value, self)),
            (Err(Failure::Untold(untold)), Variant::Entry { mapping, key, .. }) => {
                let diagnostic = Diagnostic::error(mapping.path.to_string(), untold.message);
                let diagnostic = diagnostic.hint(untold.hint);
                mapping.passes.tell(diagnostic.at(key.position.clone()));
                Err(Failure::Told)
            }
            (Err(failure), _) => Err(failure),
        }
    }
}

impl<'de> Variant<'de, '_> {
    fn name(&self) -> &'de str {
        match self {
            Variant::Word(name) => name,
            Variant::Entry { key, .. } => &key.name,
        }
    }

    /// Reads the variant's value.
    fn value<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        match self {
            Variant::Word(name) => {
                let hint = format!("write `{name}:` with its value");
                Err(Failure::definite(
                    format!("{} needs a value", quoted(name)),
                    hint,
                ))
            }
            Variant::Entry {
                mapping,
                key,
                value,
            } => {
                let path = KeyPath::Key(mapping.path, &key.name);
                let reader = Reader {
                    node: value,
                    path: &path,
                    passes: mapping.passes,
                };
                reader.read(seed)
            }
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'de, '_> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self {
            Variant::Word(_) => Ok(()),
            Variant::Entry { key, .. } => {
                let hint = format!("write `{}` alone, without a colon", key.name);
                let message = format!("{} takes no value", quoted(&key.name));
                Err(Failure::definite(message, hint))
            }
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        self.value(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.value(Tuple { length, visitor })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.value(Struct { fields, visitor })
    }
}

/// Reads a tuple variant's value as [`Reader::read`] wants it: as a seed.
struct Tuple<V> {
    length: usize,
    visitor: V,
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Tuple<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_tuple(self.length, self.visitor)
    }
}

/// Reads a struct variant's value as [`Reader::read`] wants it: as a seed.
struct Struct<V> {
    fields: &'static [&'static str],
    visitor: V,
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Struct<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_struct("", self.fields, self.visitor)
    }
}
