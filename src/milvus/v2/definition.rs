//! What a collection is beyond its rows, in a form that travels: in the metadata of an Arrow schema,
//! and so in Parquet files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::field::{DYNAMIC, pair};
use crate::milvus::v2::proto::common::{ConsistencyLevel, KeyValuePair};
use crate::milvus::v2::proto::schema::{
    DataType, FieldSchema, FunctionSchema, ValueField, value_field::Data,
};

/// Key under which a definition, as JSON, stands in the metadata of an Arrow schema.
pub const DEFINITION: &str = "milvus.collection";

/// Key of an Arrow field's metadata: the name of the field in the definition, whatever the column is
/// called by now.
pub const FIELD: &str = "milvus.field";

/// The parameter of an index that says which path within a JSON field it is on, as in `doc['a']`.
const JSON_PATH: &str = "json_path";

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

/// A field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FieldDefinition {
    /// Its name.
    pub name: String,
    /// `Int64`, `FloatVector`, …
    #[serde(rename = "type")]
    pub data_type: String,
    /// Type of the elements, of an Array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element_type: Option<String>,
    /// What its maker wrote about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// `dim`, `max_length`, `max_capacity`, `enable_analyzer`, …
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// True for the primary key.
    #[serde(skip_serializing_if = "is_false")]
    pub primary_key: bool,
    /// True when the server makes the keys.
    #[serde(skip_serializing_if = "is_false")]
    pub auto_id: bool,
    /// True when it divides rows into partitions.
    #[serde(skip_serializing_if = "is_false")]
    pub partition_key: bool,
    /// True when the server keeps rows with near values together.
    #[serde(skip_serializing_if = "is_false")]
    pub clustering_key: bool,
    /// True when it may be null.
    #[serde(skip_serializing_if = "is_false")]
    pub nullable: bool,
    /// What it is in rows that are inserted without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_value: Option<Value>,
    /// True when a function computes it.
    #[serde(skip_serializing_if = "is_false")]
    pub function_output: bool,
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
    pub(super) fn of(field: String, name: String, pairs: Vec<KeyValuePair>) -> IndexDefinition {
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
    pub(super) fn pairs(&self, lite: bool) -> Vec<KeyValuePair> {
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

impl FieldDefinition {
    fn of(field: FieldSchema) -> FieldDefinition {
        let element = field.element_type();
        FieldDefinition {
            data_type: field.data_type().as_str_name().to_owned(),
            element_type: (element != DataType::None).then(|| element.as_str_name().to_owned()),
            default_value: field.default_value.and_then(value_of),
            name: field.name,
            description: field.description,
            params: map(field.type_params),
            primary_key: field.is_primary_key,
            auto_id: field.auto_id,
            partition_key: field.is_partition_key,
            clustering_key: field.is_clustering_key,
            nullable: field.nullable,
            function_output: field.is_function_output,
        }
    }

    /// The field as a server is told of it; `None` for a type that this version does not know.
    pub fn schema(&self) -> Option<FieldSchema> {
        let data_type = DataType::from_str_name(&self.data_type)?;
        let element = match &self.element_type {
            Some(name) => DataType::from_str_name(name)?,
            None => DataType::None,
        };
        Some(FieldSchema {
            name: self.name.clone(),
            data_type: data_type.into(),
            element_type: element.into(),
            description: self.description.clone(),
            type_params: pairs(&self.params),
            is_primary_key: self.primary_key,
            auto_id: self.auto_id,
            is_partition_key: self.partition_key,
            is_clustering_key: self.clustering_key,
            nullable: self.nullable,
            default_value: self.default_value.as_ref().and_then(|v| value_field(data_type, v)),
            is_function_output: self.function_output,
            is_dynamic: self.name == DYNAMIC,
            ..FieldSchema::default()
        })
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

fn value_of(value: ValueField) -> Option<Value> {
    Some(match value.data? {
        Data::BoolData(v) => v.into(),
        Data::IntData(v) => v.into(),
        Data::LongData(v) => v.into(),
        // The shortest decimal that is this float; as a double it would show digits nobody wrote.
        Data::FloatData(v) => v.to_string().parse::<f64>().ok()?.into(),
        Data::DoubleData(v) => v.into(),
        Data::StringData(v) => v.into(),
        Data::BytesData(v) => String::from_utf8(v.to_vec()).ok()?.into(),
    })
}

fn value_field(data_type: DataType, value: &Value) -> Option<ValueField> {
    let data = match data_type {
        DataType::Bool => Data::BoolData(value.as_bool()?),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => {
            Data::IntData(i32::try_from(value.as_i64()?).ok()?)
        }
        DataType::Int64 => Data::LongData(value.as_i64()?),
        DataType::Float => Data::FloatData(value.as_f64()? as f32),
        DataType::Double => Data::DoubleData(value.as_f64()?),
        DataType::VarChar => Data::StringData(value.as_str()?.to_owned()),
        DataType::Json => Data::BytesData(value.as_str()?.to_owned().into_bytes().into()),
        _ => return None,
    };
    Some(ValueField { data: Some(data) })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

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

    #[test]
    fn fields_survive_the_journey() {
        let value = |data| Some(ValueField { data: Some(data) });
        let fields = [
            (DataType::Float, value(Data::FloatData(0.1))),
            (DataType::Double, value(Data::DoubleData(0.1))),
            (DataType::Int8, value(Data::IntData(-3))),
            (DataType::Int64, value(Data::LongData(i64::MIN))),
            (DataType::Bool, value(Data::BoolData(false))),
            (DataType::VarChar, value(Data::StringData("ä\"".to_owned()))),
            (DataType::Json, value(Data::BytesData("{}".into()))),
            (DataType::Array, None),
        ];
        for (data_type, default_value) in fields {
            let field = FieldSchema {
                name: "f".to_owned(),
                description: "what it is".to_owned(),
                data_type: data_type.into(),
                element_type: DataType::VarChar.into(),
                type_params: vec![pair("max_length", 5)],
                is_partition_key: true,
                nullable: true,
                default_value,
                ..FieldSchema::default()
            };
            let definition = FieldDefinition::of(field.clone());
            let json = serde_json::to_string(&definition).unwrap();
            let back: FieldDefinition = serde_json::from_str(&json).unwrap();
            assert_eq!(back.schema().unwrap(), field, "{json}");
        }
    }
}
