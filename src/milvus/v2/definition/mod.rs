//! What a collection is beyond its rows, in a form that travels: in the metadata of an Arrow schema,
//! and so in Parquet files, and in the manifest of a dump.

mod field;
mod index;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::field::FieldDefinition;
pub use self::index::IndexDefinition;
use crate::error::{Error, Result};
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::proto::common::{ConsistencyLevel, KeyValuePair};
use crate::milvus::v2::proto::schema::FunctionSchema;

/// Key under which a definition, as JSON, stands in the metadata of an Arrow schema.
pub const DEFINITION: &str = "milvus.collection";

/// Key of an Arrow field's metadata: the name of the field in the definition, whatever the column is
/// called by now.
pub const FIELD: &str = "milvus.field";

/// A collection as its maker described it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Definition {
    /// Its name where it comes from.
    pub name: String,
    /// What its maker wrote about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its fields, in order, without the hidden dynamic one.
    pub fields: Vec<FieldDefinition>,
    /// True when rows may carry fields beyond the schema.
    pub dynamic_field: bool,
    /// What the server computes from fields of a row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionDefinition>,
    /// Number of shards; 0 where nobody knows.
    pub shards: i32,
    /// Number of partitions that a partition key divides it into; 0 without one.
    pub key_partitions: i64,
    /// How fresh searches are: `Strong`, `Session`, `Bounded`, `Eventually`.
    pub consistency: String,
    /// Settings, such as `collection.ttl.seconds`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// Its indexes.
    pub indexes: Vec<IndexDefinition>,
    /// Its further names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// What the server computes from fields of a row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FunctionDefinition {
    /// Its name.
    pub name: String,
    /// What its maker wrote about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The server's number for what it does: 1 is BM25.
    #[serde(rename = "type")]
    pub function_type: i32,
    /// Fields that it reads.
    pub inputs: Vec<String>,
    /// Fields that it fills.
    pub outputs: Vec<String>,
    /// Its parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde wants it so
fn is_false(value: &bool) -> bool {
    !value
}

fn map(pairs: Vec<KeyValuePair>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|pair| (pair.key, pair.value)).collect()
}

fn pairs(map: &BTreeMap<String, String>) -> Vec<KeyValuePair> {
    let pair =
        |(key, value): (&String, &String)| KeyValuePair { key: key.clone(), value: value.clone() };
    map.iter().map(pair).collect()
}

impl Definition {
    /// The definition of a collection as the server describes it, without indexes and
    /// aliases, which are asked for by calls of their own.
    pub fn of(collection: Collection) -> Definition {
        let key = collection.fields.iter().any(|field| field.is_partition_key);
        let consistency = ConsistencyLevel::try_from(collection.consistency);
        Definition {
            name: collection.name,
            description: collection.description,
            fields: collection.fields.into_iter().map(FieldDefinition::of).collect(),
            dynamic_field: collection.dynamic,
            functions: collection.functions.into_iter().map(FunctionDefinition::of).collect(),
            shards: collection.shards,
            key_partitions: if key { collection.partitions } else { 0 },
            consistency: consistency.map(|c| c.as_str_name().to_owned()).unwrap_or_default(),
            properties: map(collection.properties),
            ..Definition::default()
        }
    }

    /// The definition that stands in an Arrow schema's metadata, if there is one.
    ///
    /// # Errors
    /// When it is not one that this version knows all of.
    pub fn within(schema: &arrow::datatypes::Schema) -> Result<Option<Definition>> {
        let Some(json) = schema.metadata().get(DEFINITION) else { return Ok(None) };
        serde_json::from_str(json).map(Some).map_err(|error| {
            Error::source(format!(
                "The metadata `{DEFINITION}` tells of the collection what this version of vecpipe does not understand: {error}"
            ))
            .help("use a version at least as new as the one that wrote it, or make the collection yourself and append to it")
        })
    }

    /// What is put there.
    pub fn to_json(&self) -> String {
        // Plain strings, numbers and maps with text keys always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&FieldDefinition> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The server's number for how fresh searches are.
    pub fn consistency_level(&self) -> ConsistencyLevel {
        ConsistencyLevel::from_str_name(&self.consistency).unwrap_or(ConsistencyLevel::Bounded)
    }
}

impl FunctionDefinition {
    fn of(function: FunctionSchema) -> FunctionDefinition {
        FunctionDefinition {
            name: function.name,
            description: function.description,
            function_type: function.r#type,
            inputs: function.input_field_names,
            outputs: function.output_field_names,
            params: map(function.params),
        }
    }

    /// The function as a server is told of it.
    pub fn schema(&self) -> FunctionSchema {
        FunctionSchema {
            name: self.name.clone(),
            description: self.description.clone(),
            r#type: self.function_type,
            input_field_names: self.inputs.clone(),
            output_field_names: self.outputs.clone(),
            params: pairs(&self.params),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_definition_of_a_later_version_is_an_error_and_not_left_out() {
        let within = |json: &str| {
            let metadata = HashMap::from([(DEFINITION.to_owned(), json.to_owned())]);
            Definition::within(&arrow::datatypes::Schema::empty().with_metadata(metadata))
        };
        assert!(within(&Definition::default().to_json()).unwrap().is_some());
        for json in [r#"{"name": "a", "shapes": [1]}"#, r#"{"fields": {}}"#, ""] {
            let error = within(json).unwrap_err().to_string();
            assert!(error.contains("`milvus.collection`"), "{error}");
            assert!(error.contains("at least as new"), "{error}");
        }
        assert!(Definition::within(&arrow::datatypes::Schema::empty()).unwrap().is_none());
    }
}
