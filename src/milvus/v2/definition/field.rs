//! Fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{is_false, map, pairs};
use crate::milvus::v2::field::DYNAMIC;
use crate::milvus::v2::proto::schema::{DataType, FieldSchema, ValueField, value_field::Data};

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

impl FieldDefinition {
    pub(super) fn of(field: FieldSchema) -> FieldDefinition {
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
    use super::*;
    use crate::milvus::v2::field::pair;

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
