//! How does serde read a value of the tree: which types does each kind of value fit?

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};

use super::entries::{Fields, List, Map};
use super::failure::Failure;
use super::key_path::KeyPath;
use super::passes::Passes;
use super::scalar::{self, Core};
use super::variant::Variant;
use super::{Key, Kind, Node, instead, spanned};

/// A value of the tree with the way to it.
#[derive(Clone, Copy)]
pub(super) struct Reader<'de, 'p> {
    pub(super) node: &'de Node,
    pub(super) path: &'p KeyPath<'p>,
    pub(super) passes: &'p Passes,
}

impl<'de> Reader<'de, '_> {
    /// Reads the value. A failure was told when this returns, at this value if at none below it.
    pub(super) fn read<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        let left_out = self.passes.left_out();
        seed.deserialize(self).map_err(|failure| match failure {
            Failure::Untold(untold) => {
                self.passes
                    .tell_untold(self.node, self.path, *untold, left_out);
                Failure::Told
            }
            told => told,
        })
    }

    fn wrong(self, expected: &dyn std::fmt::Display) -> Failure {
        self.wrong_with(expected, None)
    }

    fn wrong_with(self, expected: &dyn std::fmt::Display, hint: Option<String>) -> Failure {
        let message = format!("expected {expected}, found {}", self.node.described());
        Failure::definite(message, hint)
    }

    fn scalar(self, expected: &dyn std::fmt::Display) -> Result<(&'de str, bool), Failure> {
        match &self.node.kind {
            Kind::Scalar { text, plain } => Ok((text, *plain)),
            _ => Err(self.wrong(expected)),
        }
    }

    pub(super) fn list(self) -> Result<&'de [Node], Failure> {
        match &self.node.kind {
            Kind::Sequence(entries) => Ok(entries),
            _ => Err(self.wrong_with(&"a list", instead::of_list(self.node, self.path))),
        }
    }

    fn mapping(self) -> Result<&'de [(Key, Node)], Failure> {
        match &self.node.kind {
            Kind::Mapping(entries) => Ok(entries),
            _ => Err(self.wrong(&"a mapping")),
        }
    }
}

/// The methods for whole numbers: each checks the range of its own type, and what is none is told with that, or with the
/// narrower one a visitor says it expects.
macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let (text, plain) = self.scalar(&"a whole number")?;
            let expected = scalar::whole_expected(&visitor, $type::MIN, $type::MAX);
            visitor.$visit(scalar::read_whole(text, plain, &expected)?)
        })*
    };
}
pub(super) use whole_numbers;

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Sequence(entries) => visitor.visit_seq(List::new(self, entries)),
            Kind::Mapping(entries) => visitor.visit_map(Map::new(self, entries)),
            Kind::Scalar { text, plain: false } => visitor.visit_borrowed_str(text),
            Kind::Scalar { text, plain: true } => visit_core(text, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let (text, plain) = self.scalar(&"`true` or `false`")?;
        visitor.visit_bool(scalar::read_bool(text, plain)?)
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

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let (text, plain) = self.scalar(&"a number")?;
        visitor.visit_f64(scalar::read_float(text, plain)?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    /// The text as it was written, also that of a plain number.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let (text, _) = self.scalar(&(&visitor as &dyn de::Expected))?;
        visitor.visit_borrowed_str(text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.kind {
            Kind::Null => visitor.visit_unit(),
            _ => Err(self.wrong(&"nothing")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == spanned::NAME {
            spanned::hand_over(&self.node.position);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_seq(List::new(self, self.list()?))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let entries = self.list()?;
        if entries.len() != length {
            let found = entries.len();
            let message = format!("expected a list of {length} entries, found {found}");
            return Err(Failure::definite(message, None));
        }
        visitor.visit_seq(List::whole(self, entries))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_map(Map::new(self, self.mapping()?))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let Kind::Mapping(entries) = &self.node.kind else {
            let hint = instead::of_mapping(self.node, self.path, name);
            return Err(self.wrong_with(&"a mapping", hint));
        };
        visitor.visit_map(Fields::new(self, entries, (name, fields)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_enum(Variant::new(self, variants)?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }
}

/// Shows a plain scalar to a visitor that takes any type.
fn visit_core<'de, V: Visitor<'de>>(text: &'de str, visitor: V) -> Result<V::Value, Failure> {
    match scalar::core(text) {
        Core::Null => visitor.visit_unit(),
        Core::Bool(value) => visitor.visit_bool(value),
        Core::Unsigned(value) => visitor.visit_u64(value),
        Core::Signed(value) => visitor.visit_i64(value),
        Core::Float(value) => visitor.visit_f64(value),
        Core::Text => visitor.visit_borrowed_str(text),
    }
}
