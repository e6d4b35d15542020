//! Indexes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::pairs;
use crate::milvus::v2::field::pair;
use crate::milvus::v2::proto::common::KeyValuePair;

/// The parameter of an index that says which path within a JSON field it is on, as in `doc['a']`.
const JSON_PATH: &str = "json_path";

/// An index, as it was or shall be made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexDefinition {
    /// The field it is on.
    pub field: String,
    /// Its name. Without one, the server gives it one.
    pub name: String,
    /// `HNSW`, `AUTOINDEX`, …
    pub index_type: String,
    /// `L2`, `HAMMING`, …; empty on scalar fields.
    pub metric_type: String,
    /// Parameters of the type, such as `M` and `efConstruction`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// Settings that are no parameters of the type, such as `mmap.enabled`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

impl IndexDefinition {
    /// What a server says about an index. A Milvus has all parameters side by side; Milvus Lite
    /// has those of the type in a JSON object.
    pub(in crate::milvus::v2) fn of(
        field: String,
        name: String,
        pairs: Vec<KeyValuePair>,
    ) -> IndexDefinition {
        let mut index = IndexDefinition { field, name, ..IndexDefinition::default() };
        for KeyValuePair { key, value } in pairs {
            match key.as_str() {
                "index_type" => index.index_type = value,
                "metric_type" => index.metric_type = value,
                "params" | "search_params" => {
                    let parsed = serde_json::from_str::<Map<String, Value>>(&value);
                    index.params.extend(parsed.into_iter().flatten().filter(|_| key == "params"));
                }
                _ if key.contains('.') => drop(index.settings.insert(key, value)),
                _ => {
                    let number = serde_json::from_str(&value).ok().filter(Value::is_number);
                    index.params.insert(key, number.unwrap_or(Value::String(value)));
                }
            }
        }
        index
    }

    /// True when an index that a server has is the one to be made. A field may have several, of paths
    /// within JSON, which have names of their own.
    pub fn is(&self, made: &IndexDefinition) -> bool {
        self.field == made.field && (self.name.is_empty() || self.name == made.name)
    }

    /// The index on the same field by another name.
    #[must_use]
    pub fn renamed(mut self, field: String) -> IndexDefinition {
        if let Some(Value::String(path)) = self.params.get_mut(JSON_PATH)
            && let Some(within) = path.strip_prefix(&self.field)
            && (within.is_empty() || within.starts_with('['))
        {
            *path = format!("{field}{within}");
        }
        self.field = field;
        self
    }

    /// What it is on, for people: a field, or a path within one.
    pub fn place(&self) -> &str {
        match self.params.get(JSON_PATH) {
            Some(Value::String(path)) => path,
            _ => &self.field,
        }
    }

    /// What a server is told of it.
    pub(in crate::milvus::v2) fn pairs(&self, lite: bool) -> Vec<KeyValuePair> {
        let mut all = vec![pair("index_type", &self.index_type)];
        if !self.metric_type.is_empty() {
            all.push(pair("metric_type", &self.metric_type));
        }
        if lite {
            all.push(pair("params", Value::Object(self.params.clone())));
        } else {
            all.extend(self.params.iter().map(|(key, value)| match value {
                Value::String(text) => pair(key, text),
                value => pair(key, value),
            }));
        }
        all.extend(pairs(&self.settings));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_of_a_path_goes_along_with_its_field() {
        let path = |path: &str| IndexDefinition {
            field: "doc".to_owned(),
            params: Map::from_iter([(JSON_PATH.to_owned(), path.into())]),
            ..IndexDefinition::default()
        };
        let renamed = |of: &str| path(of).renamed("text".to_owned()).place().to_owned();
        assert_eq!(renamed("doc['doc']"), "text['doc']");
        assert_eq!(renamed("doc"), "text");
        assert_eq!(renamed("docs['a']"), "docs['a']");
    }
}
