//! Answers to Arrow: the columns of rows that a server gives.

use std::sync::Arc;

use arrow::array::{ArrayData, new_null_array};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::datatypes::*;
use arrow_array::builder::StringBuilder;
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, FixedSizeListArray, Float32Array, ListArray,
    PrimitiveArray, RecordBatch, StructArray, UInt32Array,
};
use bytes::Bytes;

use crate::milvus::v2::proto::milvus::QueryResults;
use crate::milvus::v2::proto::schema::{
    FieldData, ScalarField, field_data::Field as Values, scalar_field::Data as Scalar,
    vector_field::Data as Vector,
};
use crate::milvus::{MilvusError, Result};

/// The rows of an answer, as columns of these fields. An answer without rows has no columns.
pub(in crate::milvus) fn rows_of(schema: &SchemaRef, answer: &QueryResults) -> Result<RecordBatch> {
    let malformed = |words: String| MilvusError::Malformed { rpc: "Query", words };
    if answer.fields_data.is_empty() {
        return Ok(RecordBatch::new_empty(Arc::clone(schema)));
    }
    let column = |field: &FieldRef| {
        let name = field.name();
        let data = answer.fields_data.iter().find(|data| data.field_name == *name);
        let data = data.ok_or_else(|| malformed(format!("no field {name}")))?;
        to_arrow(field, data)
            .ok_or_else(|| malformed(format!("the field {name} is not {}", field.data_type())))
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| malformed(error.to_string()))
}

/// A field's values as an Arrow column; `None` when they are not of the field's type.
pub(super) fn to_arrow(field: &Field, data: &FieldData) -> Option<ArrayRef> {
    let values = match data.field.as_ref()? {
        Values::Vectors(vectors) => vectors_to_arrow(field, vectors.data.as_ref()?)?,
        Values::Scalars(scalars) => scalars_to_arrow(field.data_type(), scalars)?,
    };
    with_nulls(values, &data.valid_data)
}

/// Values with `valid` flags, one a row, where there are any. Servers give a value for each row,
/// or only for those that are not null.
fn with_nulls(values: ArrayRef, valid: &[bool]) -> Option<ArrayRef> {
    if valid.iter().all(|valid| *valid) {
        return (valid.is_empty() || valid.len() == values.len()).then_some(values);
    }
    if valid.len() == values.len() {
        let nulls = NullBuffer::from(valid.to_vec());
        let data = values.to_data().into_builder().nulls(Some(nulls.into_inner().into()));
        // Types without a null mask of their own are not among those that servers give.
        return data.build().ok().map(arrow::array::make_array);
    }
    if valid.iter().filter(|valid| **valid).count() != values.len() {
        return None;
    }
    if values.is_empty() {
        return Some(new_null_array(values.data_type(), valid.len()));
    }
    let mut next = 0u32;
    let places = valid.iter().map(|valid| {
        let place = valid.then_some(next);
        next += u32::from(*valid);
        place
    });
    take(&values, &UInt32Array::from_iter(places), None).ok()
}

fn vectors_to_arrow(field: &Field, vectors: &Vector) -> Option<ArrayRef> {
    let bytes = match vectors {
        Vector::FloatVector(floats) => &floats.data,
        Vector::BinaryVector(bytes)
        | Vector::Float16Vector(bytes)
        | Vector::Bfloat16Vector(bytes)
        | Vector::Int8Vector(bytes) => bytes,
        Vector::SparseFloatVector(sparse) => return sparse_to_arrow(field, &sparse.contents),
    };
    let DataType::FixedSizeList(element, len) = field.data_type() else { return None };
    let width = element.data_type().primitive_width()?;
    let data = ArrayData::builder(element.data_type().clone())
        .len(bytes.len() / width)
        .add_buffer(Buffer::from(bytes.as_ref()))
        .build()
        .ok()?;
    let values = arrow::array::make_array(data);
    FixedSizeListArray::try_new(Arc::clone(element), *len, values, None)
        .ok()
        .map(|array| Arc::new(array) as ArrayRef)
}

/// Each vector is pairs of an index and a value, 8 bytes a pair.
fn sparse_to_arrow(field: &Field, contents: &[Bytes]) -> Option<ArrayRef> {
    let DataType::List(element) = field.data_type() else { return None };
    let DataType::Struct(parts) = element.data_type() else { return None };
    if contents.iter().any(|bytes| bytes.len() % 8 != 0) {
        return None;
    }
    let pairs = || contents.iter().flat_map(|bytes| bytes.chunks_exact(8));
    let word = |pair: &[u8], at: usize| pair[at..at + 4].try_into().unwrap_or_default();
    let indices: UInt32Array = pairs().map(|pair| u32::from_le_bytes(word(pair, 0))).collect();
    let values: Float32Array = pairs().map(|pair| f32::from_le_bytes(word(pair, 4))).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(indices), Arc::new(values)];
    let pairs = StructArray::try_new(parts.clone(), columns, None).ok()?;
    let ends = OffsetBuffer::from_lengths(contents.iter().map(|bytes| bytes.len() / 8));
    let lists = ListArray::try_new(Arc::clone(element), ends, Arc::new(pairs), None).ok()?;
    Some(Arc::new(lists))
}

fn scalars_to_arrow(data_type: &DataType, scalars: &ScalarField) -> Option<ArrayRef> {
    Some(match (scalars.data.as_ref()?, data_type) {
        (Scalar::BoolData(v), DataType::Boolean) => Arc::new(BooleanArray::from(v.data.clone())),
        (Scalar::IntData(v), DataType::Int8) => numbers::<Int8Type, _>(&v.data)?,
        (Scalar::IntData(v), DataType::Int16) => numbers::<Int16Type, _>(&v.data)?,
        (Scalar::IntData(v), DataType::Int32) => numbers::<Int32Type, _>(&v.data)?,
        (Scalar::LongData(v), DataType::Int64) => numbers::<Int64Type, _>(&v.data)?,
        (Scalar::FloatData(v), DataType::Float32) => floats::<Float32Type>(&v.data),
        (Scalar::DoubleData(v), DataType::Float64) => floats::<Float64Type>(&v.data),
        (Scalar::StringData(v), DataType::Utf8) => texts(v.data.iter().map(|text| Some(&**text)))?,
        (Scalar::JsonData(v), DataType::Utf8) => {
            texts(v.data.iter().map(|bytes| std::str::from_utf8(bytes).ok()))?
        }
        (Scalar::ArrayData(v), DataType::List(element)) => lists(element, &v.data)?,
        _ => return None,
    })
}

/// Each value is itself a column, of elements.
fn lists(element: &FieldRef, rows: &[ScalarField]) -> Option<ArrayRef> {
    let mut columns = Vec::with_capacity(rows.len());
    for row in rows {
        columns.push(match row.data {
            // What is empty may come without its type.
            None => None,
            Some(_) => Some(scalars_to_arrow(element.data_type(), row)?),
        });
    }
    let ends = columns.iter().map(|column| column.as_ref().map_or(0, |column| column.len()));
    let ends = OffsetBuffer::from_lengths(ends);
    let some: Vec<_> = columns.iter().flatten().map(|column| &**column).collect();
    let elements = match some.is_empty() {
        true => arrow::array::new_empty_array(element.data_type()),
        false => arrow::compute::concat(&some).ok()?,
    };
    let lists = ListArray::try_new(Arc::clone(element), ends, elements, None).ok()?;
    Some(Arc::new(lists))
}

fn numbers<T, N>(values: &[N]) -> Option<ArrayRef>
where
    T: ArrowPrimitiveType,
    N: Copy,
    T::Native: TryFrom<N>,
{
    let all = values.iter().map(|n| T::Native::try_from(*n).ok()).collect::<Option<Vec<_>>>()?;
    Some(Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(all), None)))
}

fn floats<T: ArrowPrimitiveType>(bytes: &Bytes) -> ArrayRef {
    let buffer = Buffer::from(bytes.as_ref());
    let len = buffer.len() / size_of::<T::Native>();
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::new(buffer, 0, len), None))
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Option<ArrayRef> {
    let mut out = StringBuilder::new();
    for value in values {
        out.append_value(value?);
    }
    Some(Arc::new(out.finish()))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, Int64Array, cast::AsArray};

    use super::*;

    #[test]
    fn nulls_are_told_by_flags_with_a_value_for_each_row_or_without() {
        let values = |numbers: Vec<i64>| Arc::new(Int64Array::from(numbers)) as ArrayRef;
        let whole = with_nulls(values(vec![1, 0, 3]), &[true, false, true]).unwrap();
        let compact = with_nulls(values(vec![1, 3]), &[true, false, true]).unwrap();
        assert_eq!(whole.as_primitive::<Int64Type>(), compact.as_primitive::<Int64Type>());
        assert_eq!(compact.null_count(), 1);
        assert_eq!(with_nulls(values(vec![]), &[false, false]).unwrap().null_count(), 2);
        assert!(with_nulls(values(vec![1, 2, 3]), &[true, false]).is_none());
        assert!(with_nulls(values(vec![1]), &[true, true]).is_none());
    }
}
