//! Columns from the bytes of files.

use std::sync::Arc;

use arrow::array::ArrayData;
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::datatypes::DataType;
use arrow_array::{ArrayRef, FixedSizeListArray, Int64Array, make_array};

use crate::error::{Error, Result};
use crate::table::TableSchema;

/// A column of ids from their values, which are aligned as a map's or a vector's are.
pub fn to_ids(values: Buffer) -> ArrayRef {
    Arc::new(Int64Array::new(ScalarBuffer::from(values), None))
}

/// A column of `rows` vectors from their values.
///
/// # Errors
/// When they are not as many as the schema says.
pub fn to_vectors(schema: &TableSchema, values: Buffer, rows: usize) -> Result<ArrayRef> {
    let unfit = |error| Error::internal("Vectors do not fit their column").because(error);
    let column = schema.column();
    let len = column.vector_type.list_len(column.dim);
    let data = ArrayData::builder(column.vector_type.element())
        .len(len.saturating_mul(rows))
        .add_buffer(values)
        .build()
        .map_err(unfit)?;
    let DataType::FixedSizeList(item, size) = schema.vector().data_type() else {
        return Err(Error::internal("The vector column is no list"));
    };
    let list = FixedSizeListArray::try_new(Arc::clone(item), *size, make_array(data), None);
    list.map(|list| Arc::new(list) as ArrayRef).map_err(unfit)
}

/// Little-endian values of `width` bytes, where Arrow can use them.
pub fn values(bytes: Vec<u8>, width: usize) -> Buffer {
    let buffer = Buffer::from_vec(bytes);
    match buffer.as_ptr().align_offset(width) {
        0 => buffer,
        // Allocators align large pieces for any value; nothing says that they must.
        _ => Buffer::from_slice_ref(buffer.as_slice()),
    }
}
