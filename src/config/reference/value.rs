//! What does a configuration hold, key by key and in the order of its types?
//!
//! A value of its own, because [`serde_json::Value`] sorts keys and knows nothing of those that are left out.

use std::fmt;

use serde::ser::{Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

/// A value as it stands in a configuration.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    /// A single value; `string` for one whose type is a text, which may look like a number.
    Scalar { text: String, string: bool },
    /// A list.
    List(Vec<Value>),
    /// The keys of a struct or map; `None` is what is not set.
    Map(Vec<(String, Option<Value>)>),
}

/// The value of `part`. What can't stand in a configuration is `None`, as is what is not set.
pub(super) fn value<T: Serialize + ?Sized>(part: &T) -> Option<Value> {
    part.serialize(ToValue).ok().flatten()
}

fn scalar(text: impl ToString, string: bool) -> Result<Option<Value>, fmt::Error> {
    let text = text.to_string();
    Ok(Some(Value::Scalar { text, string }))
}

struct ToValue;

macro_rules! plain {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<Self::Ok, fmt::Error> {
            scalar(value, false)
        })*
    };
}

impl Serializer for ToValue {
    type Ok = Option<Value>;
    type Error = fmt::Error;
    type SerializeSeq = List;
    type SerializeTuple = Impossible<Self::Ok, fmt::Error>;
    type SerializeTupleStruct = Impossible<Self::Ok, fmt::Error>;
    type SerializeTupleVariant = Impossible<Self::Ok, fmt::Error>;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Impossible<Self::Ok, fmt::Error>;

    plain!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_f32: f32, serialize_f64: f64
    );

    fn serialize_char(self, value: char) -> Result<Self::Ok, fmt::Error> {
        scalar(value, true)
    }

    fn serialize_str(self, value: &str) -> Result<Self::Ok, fmt::Error> {
        scalar(value, true)
    }

    // Times, sizes and rates are no texts: they have a form of their own.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<Self::Ok, fmt::Error> {
        scalar(value, false)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Self::Ok, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_none(self) -> Result<Self::Ok, fmt::Error> {
        Ok(None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Self::Ok, fmt::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Self::Ok, fmt::Error> {
        Ok(None)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Self::Ok, fmt::Error> {
        Ok(None)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Self::Ok, fmt::Error> {
        scalar(variant, false)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Self::Ok, fmt::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Self::Ok, fmt::Error> {
        let value = value.serialize(self)?;
        Ok(Some(Value::Map(vec![(variant.to_owned(), value)])))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List, fmt::Error> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, fmt::Error> {
        Ok(Entries::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries, fmt::Error> {
        Ok(Entries::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, fmt::Error> {
        Err(fmt::Error)
    }
}

/// A list on its way.
struct List(Vec<Value>);

impl SerializeSeq for List {
    type Ok = Option<Value>;
    type Error = fmt::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), fmt::Error> {
        self.0.extend(item.serialize(ToValue)?);
        Ok(())
    }

    fn end(self) -> Result<Self::Ok, fmt::Error> {
        Ok(Some(Value::List(self.0)))
    }
}

/// A struct or map on its way.
#[derive(Default)]
struct Entries {
    entries: Vec<(String, Option<Value>)>,
    key: String,
}

impl SerializeStruct for Entries {
    type Ok = Option<Value>;
    type Error = fmt::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), fmt::Error> {
        self.entries
            .push((key.to_owned(), value.serialize(ToValue)?));
        Ok(())
    }

    fn skip_field(&mut self, key: &'static str) -> Result<(), fmt::Error> {
        self.entries.push((key.to_owned(), None));
        Ok(())
    }

    fn end(self) -> Result<Self::Ok, fmt::Error> {
        Ok(Some(Value::Map(self.entries)))
    }
}

impl SerializeMap for Entries {
    type Ok = Option<Value>;
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), fmt::Error> {
        let Some(Value::Scalar { text, .. }) = key.serialize(ToValue)? else {
            return Err(fmt::Error);
        };
        self.key = text;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), fmt::Error> {
        let key = std::mem::take(&mut self.key);
        self.entries.push((key, value.serialize(ToValue)?));
        Ok(())
    }

    fn end(self) -> Result<Self::Ok, fmt::Error> {
        Ok(Some(Value::Map(self.entries)))
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[test]
    fn keys_stand_in_the_order_of_the_type_and_those_that_are_not_set_are_known() {
        #[derive(Serialize)]
        struct Part {
            zebra: u8,
            #[serde(skip_serializing_if = "Option::is_none")]
            ape: Option<&'static str>,
            list: Vec<&'static str>,
        }
        let part = Part {
            zebra: 1,
            ape: None,
            list: vec!["1"],
        };
        let text = |text: &str, string| Value::Scalar {
            text: text.to_owned(),
            string,
        };
        let expected = vec![
            ("zebra".to_owned(), Some(text("1", false))),
            ("ape".to_owned(), None),
            ("list".to_owned(), Some(Value::List(vec![text("1", true)]))),
        ];
        assert_eq!(value(&part), Some(Value::Map(expected)));
    }
}
