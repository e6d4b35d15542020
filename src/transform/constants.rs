//! Adds columns that have the same value in every row. A sink's settings ask for it, so it has no key
//! of its own.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, StringArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::flow::Batch;
use crate::table::TableSchema;
use crate::transform::{SplitContext, Transform, TransformFactory};

/// One value, of the type that its column has.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each is what it is called")]
pub enum Value {
    Bool(bool),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
    Text(String),
}

impl Value {
    fn data_type(&self) -> DataType {
        match self {
            Value::Bool(_) => DataType::Boolean,
            Value::Int8(_) => DataType::Int8,
            Value::Int16(_) => DataType::Int16,
            Value::Int32(_) => DataType::Int32,
            Value::Int64(_) => DataType::Int64,
            Value::Float32(_) => DataType::Float32,
            Value::Float64(_) => DataType::Float64,
            Value::Text(_) => DataType::Utf8,
        }
    }

    /// So many times.
    fn column(&self, rows: usize) -> ArrayRef {
        match self {
            Value::Bool(value) => Arc::new(BooleanArray::from(vec![*value; rows])),
            Value::Int8(value) => Arc::new(Int8Array::from_value(*value, rows)),
            Value::Int16(value) => Arc::new(Int16Array::from_value(*value, rows)),
            Value::Int32(value) => Arc::new(Int32Array::from_value(*value, rows)),
            Value::Int64(value) => Arc::new(Int64Array::from_value(*value, rows)),
            Value::Float32(value) => Arc::new(Float32Array::from_value(*value, rows)),
            Value::Float64(value) => Arc::new(Float64Array::from_value(*value, rows)),
            Value::Text(text) => {
                Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
            }
        }
    }
}

/// The columns to add, behind those that are there.
#[derive(Debug, Clone)]
pub struct Constants(pub Vec<(String, Value)>);

impl TransformFactory for Constants {
    fn kind(&self) -> &'static str {
        "constants"
    }

    fn plan(&self, input: &TableSchema) -> Result<Box<dyn Transform>> {
        let arrow = input.arrow();
        if let Some((name, _)) = self.0.iter().find(|(name, _)| arrow.index_of(name).is_ok()) {
            return Err(Error::config(format!("There is a column `{name}` already")));
        }
        let new =
            self.0.iter().map(|(name, value)| Arc::new(Field::new(name, value.data_type(), false)));
        let fields: Vec<_> = arrow.fields().iter().cloned().chain(new).collect();
        let schema = Schema::new_with_metadata(fields, arrow.metadata().clone());
        let values = self.0.iter().map(|(_, value)| value.clone()).collect();
        Ok(Box::new(Constant { output: TableSchema::new(Arc::new(schema))?, values }))
    }
}

struct Constant {
    output: TableSchema,
    values: Vec<Value>,
}

impl Transform for Constant {
    fn output(&self) -> &TableSchema {
        &self.output
    }

    fn apply(&self, batch: Batch, _: &SplitContext) -> Result<Batch> {
        let rows = batch.rows.num_rows();
        let new = self.values.iter().map(|value| value.column(rows));
        let columns = batch.rows.columns().iter().cloned().chain(new).collect();
        let rows = RecordBatch::try_new(Arc::clone(self.output.arrow()), columns)
            .map_err(|error| Error::internal("A batch is not as its schema").because(error))?;
        Ok(Batch { rows, ..batch })
    }
}
