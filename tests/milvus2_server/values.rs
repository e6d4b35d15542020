//! Columns of requests and answers as values of rows, and back.

use bytes::Bytes;
use vecpipe::milvus::v2::proto::schema::field_data::Field as Values;
use vecpipe::milvus::v2::proto::schema::scalar_field::Data as Scalar;
use vecpipe::milvus::v2::proto::schema::vector_field::Data as Vector;
use vecpipe::milvus::v2::proto::schema::*;

use super::condition::Key;

/// A field of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    Text(String),
    /// Floats, JSON and vectors, as they are on the wire.
    Bytes(Bytes),
    Array(ScalarField),
}

impl Value {
    pub fn key(&self) -> Option<Key> {
        match self {
            Value::Int(number) => Some(Key::Number((*number).into())),
            Value::Long(number) => Some(Key::Number(*number)),
            Value::Text(text) => Some(Key::Text(text.clone())),
            _ => None,
        }
    }
}

fn dim(field: &FieldSchema) -> usize {
    let dim = field.type_params.iter().find(|pair| pair.key == "dim");
    dim.and_then(|pair| pair.value.parse().ok()).unwrap_or(0)
}

/// Bytes of a vector; `None` for those of no fixed width.
fn width(field: &FieldSchema) -> Option<usize> {
    let dim = dim(field);
    Some(match field.data_type() {
        DataType::FloatVector => dim * 4,
        DataType::Float16Vector | DataType::BFloat16Vector => dim * 2,
        DataType::Int8Vector => dim,
        DataType::BinaryVector => dim / 8,
        _ => return None,
    })
}

/// The values of a column, one a row; what is wrong with it.
pub fn values_of(field: &FieldSchema, data: &FieldData, rows: usize) -> Result<Vec<Value>, String> {
    let wrong = |what: &str| Err(format!("field {}: {what}", field.name));
    if data.r#type != field.data_type {
        return wrong(&format!("{:?} in place of {:?}", data.r#type(), field.data_type()));
    }
    let flags = field.nullable || field.default_value.is_some();
    if flags == data.valid_data.is_empty() {
        return wrong("valid_data must be there if, and only if, it may be null or has a default");
    }
    let chunks = |bytes: &Bytes, width: usize| -> Vec<Value> {
        let starts = (0..bytes.len()).step_by(width.max(1));
        starts.map(|at| Value::Bytes(bytes.slice(at..(at + width).min(bytes.len())))).collect()
    };
    let present = match (data.field.as_ref(), width(field)) {
        (Some(Values::Vectors(vectors)), Some(width)) => {
            if vectors.dim != dim(field) as i64 {
                return wrong(&format!("{} dimensions", vectors.dim));
            }
            match (vectors.data.as_ref(), field.data_type()) {
                (Some(Vector::FloatVector(floats)), DataType::FloatVector) => {
                    chunks(&floats.data, width)
                }
                (Some(Vector::BinaryVector(bytes)), DataType::BinaryVector)
                | (Some(Vector::Float16Vector(bytes)), DataType::Float16Vector)
                | (Some(Vector::Bfloat16Vector(bytes)), DataType::BFloat16Vector)
                | (Some(Vector::Int8Vector(bytes)), DataType::Int8Vector) => chunks(bytes, width),
                _ => return wrong("vectors of another type"),
            }
        }
        (Some(Values::Vectors(vectors)), None) => match &vectors.data {
            Some(Vector::SparseFloatVector(sparse)) => {
                sparse.contents.iter().cloned().map(Value::Bytes).collect()
            }
            _ => return wrong("vectors of another type"),
        },
        (Some(Values::Scalars(scalars)), _) => match (&scalars.data, field.data_type()) {
            (Some(Scalar::BoolData(v)), DataType::Bool) => {
                v.data.iter().copied().map(Value::Bool).collect()
            }
            (Some(Scalar::IntData(v)), DataType::Int8 | DataType::Int16 | DataType::Int32) => {
                v.data.iter().copied().map(Value::Int).collect()
            }
            (Some(Scalar::LongData(v)), DataType::Int64) => {
                v.data.iter().copied().map(Value::Long).collect()
            }
            (Some(Scalar::FloatData(v)), DataType::Float) => chunks(&v.data, 4),
            (Some(Scalar::DoubleData(v)), DataType::Double) => chunks(&v.data, 8),
            (Some(Scalar::StringData(v)), DataType::VarChar) => {
                v.data.iter().cloned().map(Value::Text).collect()
            }
            (Some(Scalar::JsonData(v)), DataType::Json) => {
                v.data.iter().cloned().map(Value::Bytes).collect()
            }
            (Some(Scalar::ArrayData(v)), DataType::Array) => {
                v.data.iter().cloned().map(Value::Array).collect()
            }
            (None, _) => Vec::new(),
            _ => return wrong("values of another type"),
        },
        (None, _) => Vec::new(),
    };
    let valid = match data.valid_data.is_empty() {
        true => vec![true; rows],
        false => data.valid_data.clone(),
    };
    let mut present = present.into_iter();
    let mut all = Vec::new();
    for valid in valid {
        all.push(match valid {
            true => {
                present.next().ok_or_else(|| format!("field {}: too few values", field.name))?
            }
            false => default_of(field),
        });
    }
    // Nulls have no value: that is the form that a real one takes.
    match present.next() {
        None if all.len() == rows => Ok(all),
        _ => wrong(&format!("{} values for {rows} rows", all.len())),
    }
}

/// What a field is in rows that are inserted without it.
fn default_of(field: &FieldSchema) -> Value {
    match field.default_value.as_ref().and_then(|value| value.data.as_ref()) {
        Some(value_field::Data::BoolData(value)) => Value::Bool(*value),
        Some(value_field::Data::IntData(value)) => Value::Int(*value),
        Some(value_field::Data::LongData(value)) => Value::Long(*value),
        Some(value_field::Data::StringData(value)) => Value::Text(value.clone()),
        Some(value_field::Data::FloatData(value)) => {
            Value::Bytes(Bytes::copy_from_slice(&value.to_le_bytes()))
        }
        Some(value_field::Data::DoubleData(value)) => {
            Value::Bytes(Bytes::copy_from_slice(&value.to_le_bytes()))
        }
        Some(value_field::Data::BytesData(value)) => Value::Bytes(value.clone()),
        None => Value::Null,
    }
}

/// What stands in an answer where a scalar is null.
fn filler(field: &FieldSchema) -> Value {
    match field.data_type() {
        DataType::Bool => Value::Bool(false),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => Value::Int(0),
        DataType::Int64 => Value::Long(0),
        DataType::VarChar => Value::Text(String::new()),
        DataType::Float => Value::Bytes(Bytes::from_static(&[0; 4])),
        DataType::Double => Value::Bytes(Bytes::from_static(&[0; 8])),
        DataType::Json => Value::Bytes(Bytes::new()),
        DataType::Array => Value::Array(ScalarField::default()),
        // Vectors that are null have nothing there.
        _ => Value::Null,
    }
}

/// The column of these values.
pub fn column(field: &FieldSchema, values: &[Value]) -> FieldData {
    let filler = filler(field);
    let present = || {
        let filled = values.iter().map(|value| match value {
            Value::Null => &filler,
            value => value,
        });
        filled.filter(|value| **value != Value::Null)
    };
    let bytes = || {
        present().filter_map(|value| match value {
            Value::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        })
    };
    let joined = || Bytes::from(bytes().flatten().collect::<Vec<u8>>());
    macro_rules! all {
        ($kind:path) => {
            present()
                .filter_map(|value| match value {
                    $kind(value) => Some(value.clone()),
                    _ => None,
                })
                .collect()
        };
    }
    let vector = |data| {
        let dim = dim(field) as i64;
        Values::Vectors(VectorField { dim, data: Some(data) })
    };
    let scalar = |data| Values::Scalars(ScalarField { data: Some(data) });
    let column = match field.data_type() {
        DataType::FloatVector => vector(Vector::FloatVector(FloatArray { data: joined() })),
        DataType::BinaryVector => vector(Vector::BinaryVector(joined())),
        DataType::Float16Vector => vector(Vector::Float16Vector(joined())),
        DataType::BFloat16Vector => vector(Vector::Bfloat16Vector(joined())),
        DataType::Int8Vector => vector(Vector::Int8Vector(joined())),
        DataType::SparseFloatVector => {
            let contents = bytes().collect();
            vector(Vector::SparseFloatVector(SparseFloatArray { contents, dim: 0 }))
        }
        DataType::Bool => scalar(Scalar::BoolData(BoolArray { data: all!(Value::Bool) })),
        DataType::Int64 => scalar(Scalar::LongData(LongArray { data: all!(Value::Long) })),
        DataType::Float => scalar(Scalar::FloatData(FloatArray { data: joined() })),
        DataType::Double => scalar(Scalar::DoubleData(DoubleArray { data: joined() })),
        DataType::VarChar => scalar(Scalar::StringData(StringArray { data: all!(Value::Text) })),
        DataType::Json => scalar(Scalar::JsonData(JsonArray { data: bytes().collect() })),
        DataType::Array => scalar(Scalar::ArrayData(ArrayArray {
            data: all!(Value::Array),
            element_type: field.element_type,
        })),
        _ => scalar(Scalar::IntData(IntArray { data: all!(Value::Int) })),
    };
    let valid = field.nullable.then(|| values.iter().map(|value| *value != Value::Null).collect());
    FieldData {
        r#type: field.data_type,
        field_name: field.name.clone(),
        field: Some(column),
        field_id: field.field_id,
        is_dynamic: field.is_dynamic,
        valid_data: valid.unwrap_or_default(),
    }
}
