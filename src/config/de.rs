//! From the tree to typed values: a serde deserializer whose errors know where they are.
//!
//! Types decide what a scalar means: `5` is a number where a number is wanted and a name where a
//! name is wanted. Nothing at all (`run:` with every line below it commented out) is an empty map
//! or list where one is wanted.

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess};
use serde::de::{Error as _, Visitor};

use crate::config::de_error::Failure;
use crate::config::diagnostic::Problem;
use crate::config::tree::{Key, Location, Node, Scalar, Value};

/// Reads a `T` from the tree.
pub(super) fn from_node<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, Problem> {
    T::deserialize(NodeReader { node, owner: node.at })
        .map_err(|failure| failure.into_problem(node.at))
}

/// Reads one node.
#[derive(Clone, Copy)]
struct NodeReader<'de> {
    node: &'de Node,
    /// Where the key stands that the node belongs to: what a missing key is missing from.
    owner: Location,
}

impl<'de> NodeReader<'de> {
    /// Runs `read`; an error that doesn't know better happened here.
    fn here<T>(self, read: impl FnOnce(Self) -> Result<T, Failure>) -> Result<T, Failure> {
        read(self).map_err(|failure| failure.at(self.node, self.owner))
    }

    fn wrong_sort<T>(self, expected: &dyn serde::de::Expected) -> Result<T, Failure> {
        Err(Failure::expected(&expected.to_string(), self.node.sort()))
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.here(|this| match &this.node.value {
            Value::Scalar(scalar) => match integer(&scalar.text) {
                Some(Integer::Unsigned(n)) => visitor.visit_u64(n),
                Some(Integer::Signed(n)) => visitor.visit_i64(n),
                None => this.wrong_sort(&visitor),
            },
            _ => this.wrong_sort(&visitor),
        })
    }

    fn float<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.here(|this| match &this.node.value {
            Value::Scalar(Scalar { text, .. }) => match text.parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => this.wrong_sort(&visitor),
            },
            _ => this.wrong_sort(&visitor),
        })
    }
}

macro_rules! forward {
    ($to:ident: $($method:ident)+) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.$to(visitor)
        }
    )+ };
}

impl<'de> Deserializer<'de> for NodeReader<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar(scalar) => self.here(|_| {
                if scalar.is_null() {
                    return visitor.visit_unit();
                }
                match (scalar.plain, scalar.text.as_str()) {
                    (true, "true" | "True" | "TRUE") => visitor.visit_bool(true),
                    (true, "false" | "False" | "FALSE") => visitor.visit_bool(false),
                    (true, text) => match (integer(text), text.parse()) {
                        (Some(Integer::Unsigned(n)), _) => visitor.visit_u64(n),
                        (Some(Integer::Signed(n)), _) => visitor.visit_i64(n),
                        (None, Ok(number)) => visitor.visit_f64(number),
                        _ => visitor.visit_str(text),
                    },
                    (false, text) => visitor.visit_str(text),
                }
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.here(|this| match &this.node.value {
            Value::Scalar(scalar) => match scalar.text.as_str() {
                "true" | "True" | "TRUE" => visitor.visit_bool(true),
                "false" | "False" | "FALSE" => visitor.visit_bool(false),
                _ => this.wrong_sort(&visitor),
            },
            _ => this.wrong_sort(&visitor),
        })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.here(|this| match &this.node.value {
            Value::Scalar(scalar) if !scalar.is_null() => visitor.visit_str(&scalar.text),
            _ => this.wrong_sort(&visitor),
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.here(|this| match &this.node.value {
            Value::Scalar(scalar) if scalar.is_null() => visitor.visit_unit(),
            _ => this.wrong_sort(&visitor),
        })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.here(|this| visitor.visit_newtype_struct(this))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.here(|this| match &this.node.value {
            Value::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            _ if this.node.is_null() => visitor.visit_seq(Items { items: &[], next: 0 }),
            _ => this.wrong_sort(&visitor),
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.here(|this| match &this.node.value {
            Value::Map(_) => visitor.visit_map(Entries { node: this.node, next: 0 }),
            _ if this.node.is_null() => visitor.visit_map(Entries { node: this.node, next: 0 }),
            _ => this.wrong_sort(&visitor),
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.here(|this| match &this.node.value {
            // The kind `null` is a name like others.
            Value::Scalar(scalar) if !scalar.is_null() || scalar.text == "null" => {
                visitor.visit_enum(Variant { name: &scalar.text, at: this.node.at, content: None })
            }
            Value::Map(entries) => match entries.as_slice() {
                [(key, content)] => visitor.visit_enum(Variant {
                    name: &key.text,
                    at: key.at,
                    content: Some((key, content)),
                }),
                [] => Err(Failure::no_kind(variants)),
                [_, (second, _), ..] => {
                    let kinds = entries.iter().map(|(key, _)| key.text.as_str());
                    Err(Failure::several_kinds(kinds, variants, second.at))
                }
            },
            _ if this.node.is_null() => Err(Failure::no_kind(variants)),
            _ => this.wrong_sort(&visitor),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    forward! { number:
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }
    forward! { float: deserialize_f32 deserialize_f64 }
    forward! { deserialize_str:
        deserialize_char deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_identifier
    }
}

enum Integer {
    Unsigned(u64),
    Signed(i64),
}

/// An integer as YAML 1.2 writes it: decimal, `0x…` or `0o…`.
fn integer(text: &str) -> Option<Integer> {
    let prefixed = |prefix, radix| {
        let digits = text.strip_prefix(prefix).filter(|digits: &&str| !digits.starts_with('+'));
        digits.and_then(|digits| u64::from_str_radix(digits, radix).ok())
    };
    prefixed("0x", 16)
        .or_else(|| prefixed("0o", 8))
        .or_else(|| text.parse().ok())
        .map(Integer::Unsigned)
        .or_else(|| text.parse().ok().map(Integer::Signed))
}

struct Items<'de> {
    items: &'de [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let Some(node) = self.items.get(self.next) else { return Ok(None) };
        let n = self.next;
        self.next += 1;
        seed.deserialize(NodeReader { node, owner: node.at })
            .map(Some)
            .map_err(|failure| failure.within(&n.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

struct Entries<'de> {
    node: &'de Node,
    next: usize,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let Some((key, _)) = self.node.entries().get(self.next) else { return Ok(None) };
        let text: StrDeserializer<'_, Failure> =
            serde::de::IntoDeserializer::into_deserializer(key.text.as_str());
        seed.deserialize(text).map(Some).map_err(|failure| failure.at_key(key.at).within(&key.text))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let Some((key, node)) = self.node.entries().get(self.next) else {
            return Err(Failure::custom("a value was read before its key"));
        };
        self.next += 1;
        seed.deserialize(NodeReader { node, owner: key.at })
            .map_err(|failure| failure.within(&key.text))
    }
}

/// One variant of an enum: a name, with content where it is written `name: content`.
struct Variant<'de> {
    name: &'de str,
    at: Location,
    content: Option<(&'de Key, &'de Node)>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Failure> {
        let name: StrDeserializer<'_, Failure> =
            serde::de::IntoDeserializer::into_deserializer(self.name);
        match seed.deserialize(name) {
            Ok(variant) => Ok((variant, self)),
            // A key is never secret; a plain value may be, and its node takes care of that.
            Err(failure) if self.content.is_some() => Err(failure.at_key(self.at)),
            Err(failure) => Err(failure),
        }
    }
}

impl<'de> Variant<'de> {
    fn content(self) -> Result<(NodeReader<'de>, &'de str), Failure> {
        match self.content {
            Some((key, node)) => Ok((NodeReader { node, owner: key.at }, &key.text)),
            None => Err(Failure::no_settings(self.name)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self.content {
            None => Ok(()),
            Some((_, node)) if node.is_null() => Ok(()),
            Some((key, _)) => Err(Failure::custom(format!("`{}` has no settings", key.text))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Failure> {
        let (reader, key) = self.content()?;
        seed.deserialize(reader).map_err(|failure| failure.within(key))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        let (reader, key) = self.content()?;
        reader.deserialize_seq(visitor).map_err(|failure| failure.within(key))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let (reader, key) = self.content()?;
        reader.deserialize_map(visitor).map_err(|failure| failure.within(key))
    }
}
