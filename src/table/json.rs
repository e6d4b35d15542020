//! Columns of JSON: texts that say the same although servers write them differently.

use std::sync::Arc;

use arrow::datatypes::Field;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use serde_json::Value;

/// Arrow's own field metadata key for what a column is beyond its type.
pub const EXTENSION_NAME: &str = "ARROW:extension:name";
/// Its value for texts that are JSON.
pub const JSON: &str = "arrow.json";

/// True for a column whose texts are JSON.
pub fn is_json(field: &Field) -> bool {
    field.metadata().get(EXTENSION_NAME).is_some_and(|name| name == JSON)
}

/// The same values, written in one way: keys in order, no spaces, only characters that must be
/// escaped are. A text that is not JSON stays as it is.
pub fn canonical(texts: &ArrayRef) -> ArrayRef {
    let Some(all) = texts.as_string_opt::<i32>() else { return Arc::clone(texts) };
    let mut out = StringBuilder::with_capacity(all.len(), all.value_data().len());
    for row in 0..all.len() {
        if all.is_null(row) {
            out.append_null();
            continue;
        }
        match serde_json::from_str::<Value>(all.value(row)) {
            Ok(value) => out.append_value(sorted(value).to_string()),
            Err(_) => out.append_value(all.value(row)),
        }
    }
    Arc::new(out.finish())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut all: Vec<_> = map.into_iter().collect();
            all.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(all.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(all) => Value::Array(all.into_iter().map(sorted).collect()),
        plain => plain,
    }
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
}
