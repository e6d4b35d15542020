//! Primary keys and stretches of them, in the server's order: numbers by size, texts by their bytes.

use arrow::datatypes::Int64Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use serde::{Deserialize, Serialize};

use crate::milvus::v2::query::put_literal;

/// A primary key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// Of a field of the type Int64.
    Number(i64),
    /// Of a field of the type VarChar.
    Text(String),
}

impl Key {
    /// The last of a column of keys.
    pub fn last_of(keys: &ArrayRef) -> Option<Key> {
        let last = keys.len().checked_sub(1)?;
        if let Some(numbers) = keys.as_primitive_opt::<Int64Type>() {
            return Some(Key::Number(numbers.value(last)));
        }
        keys.as_string_opt::<i32>().map(|texts| Key::Text(texts.value(last).to_owned()))
    }
}

/// Keys after one key, up to another one that is part of it; open where none is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// The key before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Key>,
    /// The last key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<Key>,
}

impl KeyRange {
    /// The part of it behind `key`.
    #[must_use]
    pub fn behind(&self, key: Key) -> KeyRange {
        KeyRange { after: Some(key), up_to: self.up_to.clone() }
    }

    /// The part of it up to `key`, which is part of it.
    #[must_use]
    pub fn until(&self, key: Key) -> KeyRange {
        KeyRange { after: self.after.clone(), up_to: Some(key) }
    }

    /// The condition that a key lies in it. `texts` says what the keys are.
    ///
    /// It is never empty, because servers treat a query without condition in ways of their own.
    pub fn condition(&self, field: &str, texts: bool) -> String {
        let lower = self.after.as_ref().map(|key| match key {
            // Milvus reads a minus and a number, and this number alone is out of range.
            Key::Number(i64::MIN) => format!("{field} >= {}", i64::MIN + 1),
            key => format!("{field} > {}", literal(key)),
        });
        let upper = self.up_to.as_ref().map(|key| match key {
            Key::Number(i64::MIN) => format!("{field} < {}", i64::MIN + 1),
            key => format!("{field} <= {}", literal(key)),
        });
        match (lower, upper) {
            (None, None) if texts => format!("{field} >= \"\""),
            (None, None) => format!("{field} <= 0 or {field} > 0"),
            (Some(one), None) | (None, Some(one)) => one,
            (Some(lower), Some(upper)) => format!("{lower} and {upper}"),
        }
    }
}

fn literal(key: &Key) -> String {
    match key {
        Key::Number(number) => number.to_string(),
        Key::Text(text) => {
            let mut out = String::with_capacity(text.len() + 2);
            put_literal(&mut out, text);
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_open_and_closed_ranges() {
        let number = |n| Some(Key::Number(n));
        let range = |after, up_to| KeyRange { after, up_to }.condition("k", false);
        assert_eq!(range(None, None), "k <= 0 or k > 0");
        assert_eq!(range(number(-5), None), "k > -5");
        assert_eq!(range(number(i64::MIN), number(7)), "k >= -9223372036854775807 and k <= 7");
        assert_eq!(range(None, number(i64::MIN)), "k < -9223372036854775807");
        let text = |text: &str| Some(Key::Text(text.to_owned()));
        let range = |after, up_to| KeyRange { after, up_to }.condition("k", true);
        assert_eq!(range(None, None), "k >= \"\"");
        assert_eq!(range(text("b\"c"), text("d\\")), r#"k > "b\"c" and k <= "d\\""#);
    }
}
