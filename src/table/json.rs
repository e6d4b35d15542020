//! Columns of JSON: texts that say the same although servers write them differently.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Field;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use serde_json::Value;
use serde_json::value::RawValue;

/// Arrow's own field metadata key for what a column is beyond its type.
pub const EXTENSION_NAME: &str = "ARROW:extension:name";
/// Its value for texts that are JSON.
pub const JSON: &str = "arrow.json";

/// Levels of objects and lists in a text; one with more is compared as it stands.
const DEEPEST: u32 = 128;

/// True for a column whose texts are JSON.
pub fn is_json(field: &Field) -> bool {
    field.metadata().get(EXTENSION_NAME).is_some_and(|name| name == JSON)
}

/// The same values, written in one way: keys in order, no spaces, only characters that must be
/// escaped are. Integers keep all their digits, numbers with a point or an exponent are those of a double.
/// A text that is not JSON stays as it is.
pub fn canonical(texts: &ArrayRef) -> ArrayRef {
    let Some(all) = texts.as_string_opt::<i32>() else { return Arc::clone(texts) };
    let mut out = StringBuilder::with_capacity(all.len(), all.value_data().len());
    let mut written = String::new();
    for row in 0..all.len() {
        if all.is_null(row) {
            out.append_null();
            continue;
        }
        written.clear();
        let parsed = serde_json::from_str::<&RawValue>(all.value(row)).ok();
        match parsed.and_then(|value| write(value, DEEPEST, &mut written)) {
            Some(()) => out.append_value(&written),
            None => out.append_value(all.value(row)),
        }
    }
    Arc::new(out.finish())
}

/// Writes a value; nothing where it is not JSON after all.
fn write(value: &RawValue, depth: u32, out: &mut String) -> Option<()> {
    let (text, below) = (value.get(), depth.checked_sub(1)?);
    match text.as_bytes().first()? {
        b'{' => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            out.push('{');
            for (n, (key, value)) in members.into_iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                out.push_str(&serde_json::to_string(&key).ok()?);
                out.push(':');
                write(value, below, out)?;
            }
            out.push('}');
        }
        b'[' => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            out.push('[');
            for (n, value) in elements.into_iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                write(value, below, out)?;
            }
            out.push(']');
        }
        b'"' => {
            let text: String = serde_json::from_str(text).ok()?;
            out.push_str(&serde_json::to_string(&text).ok()?);
        }
        b'-' | b'0'..=b'9' if is_large(text) => out.push_str(text),
        _ => out.push_str(&serde_json::from_str::<Value>(text).ok()?.to_string()),
    }
    Some(())
}

/// True for an integer of more than 64 bits, which would be rounded.
fn is_large(number: &str) -> bool {
    let is_integer = !number.contains(['.', 'e', 'E']);
    is_integer && number.parse::<i64>().is_err() && number.parse::<u64>().is_err()
}

#[cfg(test)]
mod tests {
    use arrow_array::StringArray;

    use super::*;

    #[test]
    fn what_says_the_same_is_written_the_same() {
        let texts = [
            r#"{"b": [1, 2.0, 1e5], "a": "\u00fc"}"#,
            r#"{"a":"ü","b":[1,2.0,100000.0]}"#,
            "{not json",
        ];
        let all: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let all = canonical(&all);
        let all = all.as_string::<i32>();
        assert_eq!(all.value(0), r#"{"a":"ü","b":[1,2.0,100000.0]}"#);
        assert_eq!(all.value(0), all.value(1));
        assert_eq!(all.value(2), "{not json");
    }

    /// Both were rounded to 1.2345678901234567e22, and called the same.
    #[test]
    fn integers_beyond_64_bits_keep_their_digits() {
        let texts = [
            r#"{"n": 12345678901234567890123}"#,
            r#"{"n":12345678901234567890999}"#,
            r#"[-9223372036854775808, 18446744073709551615, -0, 1, 1.0, 0.10]"#,
            r#"{"b": {"y": [], "x": {}}, "a": "12345678901234567890123"}"#,
        ];
        let all: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let all = canonical(&all);
        let all = all.as_string::<i32>();
        let expected = [
            r#"{"n":12345678901234567890123}"#,
            r#"{"n":12345678901234567890999}"#,
            "[-9223372036854775808,18446744073709551615,-0.0,1,1.0,0.1]",
            r#"{"a":"12345678901234567890123","b":{"x":{},"y":[]}}"#,
        ];
        assert_eq!(all.iter().flatten().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_can_not_be_read_stays_as_it_is() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let texts = ["[1e999]", "[01]", "{\"a\":}", "", &deep];
        let all: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        assert_eq!(canonical(&all).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), texts);
    }
}
