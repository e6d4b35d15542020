//! Milvus types and Arrow types.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType as Arrow, Field};

use crate::milvus::v2::proto::common::KeyValuePair;
use crate::milvus::v2::proto::schema::{DataType, FieldSchema};
use crate::table::{
    EXTENSION_NAME, JSON, Role, VECTOR_TYPE, VectorColumn, VectorType, id_field, is_json,
    vector_field,
};

/// Longest VarChar that a Milvus takes, in bytes.
pub const MAX_VARCHAR: usize = 65_535;
/// Longest JSON value that a Milvus takes, in bytes.
pub const MAX_JSON: usize = 65_536;
/// Most elements of an Array.
pub const MAX_CAPACITY: usize = 4_096;
/// Name of the field that holds, as one JSON object a row, what rows have beyond the schema.
pub const DYNAMIC: &str = "$meta";
/// Most dimensions of a vector.
pub const MAX_DIM: usize = 32_768;

/// The Milvus type that holds values of an Arrow column; `None` for types that Milvus lacks.
pub fn milvus_type(field: &Field) -> Option<DataType> {
    Some(match field.data_type() {
        Arrow::Boolean => DataType::Bool,
        Arrow::Int8 => DataType::Int8,
        Arrow::Int16 => DataType::Int16,
        Arrow::Int32 => DataType::Int32,
        Arrow::Int64 => DataType::Int64,
        Arrow::Float32 => DataType::Float,
        Arrow::Float64 => DataType::Double,
        Arrow::Utf8 if is_json(field) => DataType::Json,
        Arrow::Utf8 => DataType::VarChar,
        Arrow::List(element) if *field.data_type() != VectorType::Sparse.arrow(0) => {
            element_type(element).map(|_| DataType::Array)?
        }
        Arrow::List(_) => DataType::SparseFloatVector,
        Arrow::FixedSizeList(element, _) => {
            match (element.data_type(), field.metadata().get(VECTOR_TYPE).map(String::as_str)) {
                (Arrow::Float32, _) => DataType::FloatVector,
                (Arrow::Float16, _) => DataType::Float16Vector,
                (Arrow::UInt16, Some("bfloat16")) => DataType::BFloat16Vector,
                (Arrow::Int8, _) => DataType::Int8Vector,
                (Arrow::UInt8, _) => DataType::BinaryVector,
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// The Milvus type of an array's elements.
pub fn element_type(element: &Field) -> Option<DataType> {
    let plain = milvus_type(element)?;
    let allowed = !is_vector(plain) && !matches!(plain, DataType::Array | DataType::Json);
    (allowed && !element.is_nullable()).then_some(plain)
}

/// True for vector types.
pub fn is_vector(data_type: DataType) -> bool {
    vector_type(data_type).is_some()
}

/// The vector type.
pub fn vector_type(data_type: DataType) -> Option<VectorType> {
    Some(match data_type {
        DataType::FloatVector => VectorType::Float32,
        DataType::Float16Vector => VectorType::Float16,
        DataType::BFloat16Vector => VectorType::BFloat16,
        DataType::Int8Vector => VectorType::Int8,
        DataType::BinaryVector => VectorType::Binary,
        DataType::SparseFloatVector => VectorType::Sparse,
        _ => return None,
    })
}

/// Dimensions of a `FixedSizeList` column that is sent as `data_type`.
pub fn dim_of(field: &Field, data_type: DataType) -> usize {
    let Arrow::FixedSizeList(_, len) = field.data_type() else { return 0 };
    let len = usize::try_from(*len).unwrap_or(0);
    if data_type == DataType::BinaryVector { len * 8 } else { len }
}

/// A number among a field's type parameters (`dim`, `max_length`).
pub fn parameter(field: &FieldSchema, key: &str) -> Option<usize> {
    field.type_params.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.parse().ok())
}

/// One type parameter.
pub(crate) fn pair(key: &str, value: impl ToString) -> KeyValuePair {
    KeyValuePair { key: key.to_owned(), value: value.to_string() }
}

fn plain_arrow(data_type: DataType) -> Option<Arrow> {
    Some(match data_type {
        DataType::Bool => Arrow::Boolean,
        DataType::Int8 => Arrow::Int8,
        DataType::Int16 => Arrow::Int16,
        DataType::Int32 => Arrow::Int32,
        DataType::Int64 => Arrow::Int64,
        DataType::Float => Arrow::Float32,
        DataType::Double => Arrow::Float64,
        DataType::VarChar | DataType::Json => Arrow::Utf8,
        _ => return None,
    })
}

/// The Arrow field that holds values of a Milvus field; `None` for types that vecpipe lacks.
pub fn arrow_field(field: &FieldSchema) -> Option<Field> {
    let data_type = field.data_type();
    if let Some(vector_type) = vector_type(data_type) {
        let dim = match vector_type {
            VectorType::Sparse => 0,
            _ => parameter(field, "dim").filter(|dim| (1..=MAX_DIM).contains(dim))?,
        };
        let column = vector_field(&field.name, VectorColumn { vector_type, dim });
        return Some(column.with_nullable(field.nullable));
    }
    let arrow = match data_type {
        DataType::Array => {
            let element = plain_arrow(field.element_type())?;
            Arrow::List(Arc::new(Field::new("item", element, false)))
        }
        other => plain_arrow(other)?,
    };
    if field.is_primary_key {
        return Some(id_field(&field.name, arrow));
    }
    let plain = Field::new(&field.name, arrow, field.nullable);
    Some(match data_type {
        DataType::Json => {
            plain.with_metadata(HashMap::from([(EXTENSION_NAME.to_owned(), JSON.to_owned())]))
        }
        _ => plain,
    })
}

/// The Milvus field that is created for an Arrow column; `None` for types that Milvus lacks.
pub fn field_schema(field: &Field, nulls: bool) -> Option<FieldSchema> {
    let data_type = milvus_type(field)?;
    let element = match field.data_type() {
        Arrow::List(element) if data_type == DataType::Array => element_type(element)?,
        _ => DataType::None,
    };
    let typed = FieldSchema {
        data_type: data_type.into(),
        element_type: element.into(),
        ..FieldSchema::default()
    };
    let mut type_params: Vec<_> =
        limits_of(&typed).iter().map(|(key, most)| pair(key, most)).collect();
    if is_vector(data_type) && data_type != DataType::SparseFloatVector {
        type_params.push(pair("dim", dim_of(field, data_type)));
    }
    let role = Role::of(field);
    let dynamic = field.name() == DYNAMIC && data_type == DataType::Json;
    Some(FieldSchema {
        name: field.name().clone(),
        is_dynamic: dynamic,
        is_primary_key: role == Role::Id,
        nullable: nulls && role == Role::Scalar && field.is_nullable(),
        type_params,
        ..typed
    })
}

/// The hidden field that holds what rows have beyond the schema.
pub fn dynamic_field() -> FieldSchema {
    FieldSchema {
        name: DYNAMIC.to_owned(),
        data_type: DataType::Json.into(),
        is_dynamic: true,
        ..FieldSchema::default()
    }
}

/// The limits that a field of this type must have, and the largest that a Milvus takes.
pub fn limits_of(field: &FieldSchema) -> &'static [(&'static str, usize)] {
    match (field.data_type(), field.element_type()) {
        (DataType::VarChar, _) => &[("max_length", MAX_VARCHAR)],
        (DataType::Array, DataType::VarChar) => {
            &[("max_capacity", MAX_CAPACITY), ("max_length", MAX_VARCHAR)]
        }
        (DataType::Array, _) => &[("max_capacity", MAX_CAPACITY)],
        _ => &[],
    }
}

/// `Int64`, `FloatVector(128)`, `VarChar(64)`: a field's type for people.
pub fn type_words(field: &FieldSchema) -> String {
    let name = match field.data_type() {
        DataType::Array => format!("Array of {}", field.element_type().as_str_name()),
        other => other.as_str_name().to_owned(),
    };
    match parameter(field, "dim").or_else(|| parameter(field, "max_length")) {
        Some(number) => format!("{name}({number})"),
        None => name,
    }
}

/// `id Int64 (primary key), embedding FloatVector(128)`: fields for people.
pub fn fields_words(fields: &[FieldSchema]) -> String {
    let words: Vec<_> = fields
        .iter()
        .map(|field| {
            let key = if field.is_primary_key { " (primary key)" } else { "" };
            format!("{} {}{key}", field.name, type_words(field))
        })
        .collect();
    words.join(", ")
}
