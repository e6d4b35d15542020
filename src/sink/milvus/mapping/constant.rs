//! The value of a field that is the same in every row, and the type that it gets.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::milvus::v2::field::{parameter, type_words};
use crate::milvus::v2::proto::schema::{DataType, FieldSchema};
use crate::transform::constants::Value;

/// Longest text: each row in flight holds a copy.
const MAX_TEXT: usize = 255;
/// Whole numbers up to this one are all there as floating-point numbers: 2^53.
const MAX_EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

/// True or false, a number, or a text.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[allow(missing_docs, reason = "each is what it is called")]
pub enum Constant {
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Constant {
    // By hand, so that errors say what may stand here.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = Constant;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, a number or a text")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Constant, E> {
                Ok(Constant::Bool(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Constant, E> {
                Ok(Constant::Whole(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Constant, E> {
                let whole = i64::try_from(value).map(Constant::Whole);
                whole.map_err(|_| E::custom(format!("{value} is beyond 64 bits with a sign")))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Constant, E> {
                match value.is_finite() {
                    true => Ok(Constant::Number(value)),
                    false => Err(E::custom("a constant must be finite")),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Constant, E> {
                Ok(Constant::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Constant::Bool(value) => value.fmt(f),
            Constant::Whole(value) => value.fmt(f),
            Constant::Number(value) => value.fmt(f),
            Constant::Text(text) => write!(f, "`{text}`"),
        }
    }
}

impl Constant {
    /// The value as a field that is there takes it, or as its own type has it; or why that can't be.
    pub(super) fn typed(&self, field: Option<&FieldSchema>, lite: bool) -> Result<Value, String> {
        if let Constant::Text(text) = self
            && text.len() > MAX_TEXT
        {
            return Err(format!("a text may have {MAX_TEXT} bytes, this one has {}", text.len()));
        }
        let Some(field) = field else { return Ok(self.plain()) };
        let wrong =
            || format!("{self} does not fit the target's field, which is {}", type_words(field));
        let value = match (field.data_type(), self) {
            (DataType::Bool, Constant::Bool(value)) => Some(Value::Bool(*value)),
            (DataType::Int8, Constant::Whole(n)) => i8::try_from(*n).ok().map(Value::Int8),
            (DataType::Int16, Constant::Whole(n)) => i16::try_from(*n).ok().map(Value::Int16),
            (DataType::Int32, Constant::Whole(n)) => i32::try_from(*n).ok().map(Value::Int32),
            (DataType::Int64, Constant::Whole(n)) => Some(Value::Int64(*n)),
            (DataType::Float, _) => {
                // The nearest there is, as with any other way of writing it.
                self.number().map(|n| n as f32).filter(|n| n.is_finite()).map(Value::Float32)
            }
            (DataType::Double, _) => self.number().map(Value::Float64),
            (DataType::VarChar, Constant::Text(text)) => {
                let length = if lite { text.chars().count() } else { text.len() };
                let fits = parameter(field, "max_length").is_none_or(|most| length <= most);
                fits.then(|| Value::Text(text.clone()))
            }
            // Text is what JSON is written as.
            (DataType::Json, Constant::Text(text)) => {
                let json = serde_json::from_str::<de::IgnoredAny>(text).is_ok();
                json.then(|| Value::Text(text.clone()))
            }
            (DataType::Json, other) => Some(Value::Text(other.to_string())),
            _ => None,
        };
        value.ok_or_else(wrong)
    }

    fn plain(&self) -> Value {
        match self {
            Constant::Bool(value) => Value::Bool(*value),
            Constant::Whole(value) => Value::Int64(*value),
            Constant::Number(value) => Value::Float64(*value),
            Constant::Text(text) => Value::Text(text.clone()),
        }
    }

    /// As a floating-point number, where it is one exactly.
    fn number(&self) -> Option<f64> {
        match *self {
            Constant::Number(value) => Some(value),
            Constant::Whole(value) if value.unsigned_abs() <= MAX_EXACT => Some(value as f64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::milvus::v2::field::pair;

    #[test]
    fn a_constant_takes_the_type_of_the_field_if_it_fits() {
        let field = |data_type: DataType| FieldSchema {
            data_type: data_type.into(),
            type_params: vec![pair("max_length", 4)],
            ..FieldSchema::default()
        };
        let text = |text: &str| Constant::Text(text.to_owned());
        for (constant, data_type, value) in [
            (Constant::Whole(-128), DataType::Int8, Some(Value::Int8(-128))),
            (Constant::Whole(128), DataType::Int8, None),
            (Constant::Whole(7), DataType::Double, Some(Value::Float64(7.0))),
            (Constant::Whole(i64::MAX), DataType::Double, None),
            (Constant::Number(0.1), DataType::Float, Some(Value::Float32(0.1))),
            (Constant::Number(1e300), DataType::Float, None),
            (Constant::Number(0.5), DataType::Int64, None),
            (Constant::Bool(true), DataType::Int64, None),
            (text("news"), DataType::VarChar, Some(Value::Text("news".to_owned()))),
            (text("ältest"), DataType::VarChar, None),
            (text("{}"), DataType::Json, Some(Value::Text("{}".to_owned()))),
            (text("news"), DataType::Json, None),
            (text("news"), DataType::FloatVector, None),
        ] {
            let field = field(data_type);
            assert_eq!(constant.typed(Some(&field), false).ok(), value, "{constant} {data_type:?}");
        }
        assert_eq!(Constant::Whole(7).typed(None, false), Ok(Value::Int64(7)));
        assert!(text(&"x".repeat(256)).typed(None, false).is_err());
    }
}
