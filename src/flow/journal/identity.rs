//! What makes two runs the same one.

use serde_json::Value;
use twox_hash::XxHash3_128;

/// What a pipeline moves and how, as far as it matters to whoever goes on with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identity {
    /// Where rows come from, by kind and place.
    pub source: String,
    /// Where they go, by kind and place.
    pub sink: String,
    /// The configuration, without secrets and without what may differ between two runs.
    pub settings: Value,
}

impl Identity {
    /// What the files of such a run begin with. It follows from source and sink alone, so that a
    /// run with other settings finds the journal too, and can say what differs.
    pub fn file_stem(&self) -> String {
        let places = format!("{}\0{}", self.source, self.sink);
        format!("{:016x}", XxHash3_128::oneshot(places.as_bytes()) as u64)
    }
}

/// The values in which two settings differ: `sink.milvus.mode was append, is skip`.
pub(super) fn differences(was: &Value, is: &Value) -> Vec<String> {
    let mut all = Vec::new();
    compare("", was, is, &mut all);
    all
}

fn compare(path: &str, was: &Value, is: &Value, all: &mut Vec<String>) {
    if was == is {
        return;
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            let new = is.keys().filter(|key| !was.contains_key(*key));
            for key in was.keys().chain(new) {
                let value = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                let (was, is) = (value(was).unwrap_or_default(), value(is).unwrap_or_default());
                compare(&below(key), &was, &is, all);
            }
        }
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            for (n, (was, is)) in was.iter().zip(is).enumerate() {
                compare(&below(&n.to_string()), was, is, all);
            }
        }
        _ => all.push(format!("{path} was {}, is {}", words(was), words(is))),
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_named_by_their_keys() {
        let was = json!({ "sink": { "null": { "a": 1, "b": [1, 2] } }, "transforms": [] });
        let is = json!({ "sink": { "null": { "a": 2, "b": [1, 3], "c": "x" } } });
        assert_eq!(
            differences(&was, &is),
            [
                "sink.null.a was 1, is 2",
                "sink.null.b.1 was 2, is 3",
                "sink.null.c was not set, is x",
                "transforms was [], is not set",
            ]
        );
        assert!(differences(&is, &is).is_empty());
    }

    #[test]
    fn the_place_alone_names_the_files() {
        let identity = |source: &str, settings| Identity {
            source: source.to_owned(),
            sink: "null".to_owned(),
            settings,
        };
        let one = identity("a", json!(1)).file_stem();
        assert_eq!(one, identity("a", json!(2)).file_stem());
        assert_ne!(one, identity("b", json!(1)).file_stem());
        assert_eq!(one.len(), 16);
    }
}
