//! From a file's batch to the table's: vectors become fixed-size lists without nulls, ids Int64 or
//! Utf8.

use std::sync::Arc;

use arrow::buffer::ScalarBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, GenericListArray, Int64Array,
    OffsetSizeTrait, RecordBatch,
};

use crate::error::{Error, Result};
use crate::table::{Role, TableSchema};

/// Columns of a file's batch as columns of the table. `first_row` is the batch's first row within
/// its file, for messages.
///
/// # Errors
/// [`Kind::Source`](crate::error::Kind::Source) that names the row, when a value is null, does not
/// fit, or a vector has another length.
pub fn column(array: &ArrayRef, field: &FieldRef, first_row: u64) -> Result<ArrayRef> {
    match Role::of(field) {
        Role::Vector if matches!(field.data_type(), DataType::List(_)) => {
            sparse_vectors(array, field, first_row)
        }
        Role::Vector => vectors(array, field, first_row),
        Role::Id => {
            if let Some(null) = first_null(array.as_ref()) {
                return Err(Error::source(format!("Id column `{}` is null", field.name()))
                    .at(format!("row {}", first_row + null as u64))
                    .help(
                        "every row needs an id; leave such rows out, or name another id column",
                    ));
            }
            plain(array, field)
        }
        Role::Scalar => plain(array, field),
    }
}

/// Ids for rows that have none: their numbers within the table.
///
/// # Errors
/// When the numbers leave the range of Int64.
pub fn row_numbers(first: u64, rows: usize) -> Result<ArrayRef> {
    let first = i64::try_from(first).ok();
    let last = first.and_then(|first| first.checked_add_unsigned(rows as u64));
    match (first, last) {
        (Some(first), Some(last)) => Ok(Arc::new(Int64Array::from_iter_values(first..last))),
        _ => Err(Error::source("The table has more rows than there are row numbers")),
    }
}

/// Puts columns together as rows of the table.
///
/// # Errors
/// When a column that may not be null is, or the file's schema is not what was planned.
pub fn batch(
    schema: &TableSchema,
    projection: &[usize],
    columns: Vec<ArrayRef>,
) -> Result<RecordBatch> {
    let changed = |error| {
        Error::source("The rows do not fit the planned columns")
            .because(error)
            .help("the file changed while it was read; run again when it rests")
    };
    let arrow = schema.arrow().project(projection).map_err(changed)?;
    RecordBatch::try_new(Arc::new(arrow), columns).map_err(changed)
}

fn plain(array: &ArrayRef, field: &FieldRef) -> Result<ArrayRef> {
    if array.data_type() == field.data_type() {
        return Ok(Arc::clone(array));
    }
    // Strict: a value that does not fit is an error, not a null.
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, field.data_type(), &options).map_err(|error| {
        Error::source(format!(
            "A value in column `{}` does not fit {}",
            field.name(),
            field.data_type()
        ))
        .because(error)
    })
}

fn sparse_vectors(array: &ArrayRef, field: &FieldRef, first_row: u64) -> Result<ArrayRef> {
    if let Some(null) = first_null(array.as_ref()) {
        return Err(Error::source(format!("Vector column `{}` is null", field.name()))
            .at(format!("row {}", first_row + null as u64))
            .help("every row needs a vector; leave such rows out"));
    }
    plain(array, field)
}

fn vectors(array: &ArrayRef, field: &FieldRef, first_row: u64) -> Result<ArrayRef> {
    let DataType::FixedSizeList(element, list_len) = field.data_type() else {
        return Err(Error::internal(format!("Vector column `{}` is no list", field.name())));
    };
    let len = usize::try_from(*list_len).unwrap_or(0);
    let wrong = |row: usize, what: String| {
        Error::source(format!("Vector column `{}` {what}", field.name()))
            .at(format!("row {}", first_row + row as u64))
            .help("every row needs a whole vector of one length; leave such rows out")
    };
    if let Some(null) = first_null(array.as_ref()) {
        return Err(wrong(null, "is null".to_owned()));
    }
    let other_len =
        |(row, found): (usize, usize)| wrong(row, format!("has {found} values, expected {len}"));
    let values = match array.data_type() {
        DataType::FixedSizeList(_, found) if found != list_len => {
            return Err(other_len((0, usize::try_from(*found).unwrap_or(0))));
        }
        DataType::FixedSizeList(..) => {
            let lists = array.as_fixed_size_list();
            let start = lists.value_offset_at(0);
            lists.values().slice(start, lists.len() * len)
        }
        DataType::List(_) => even_lists(array.as_list::<i32>(), len).map_err(other_len)?,
        DataType::LargeList(_) => even_lists(array.as_list::<i64>(), len).map_err(other_len)?,
        other => {
            return Err(Error::source(format!("Column `{}` became {other}", field.name())));
        }
    };
    if let Some(null) = first_null(values.as_ref()) {
        return Err(wrong(
            null / len.max(1),
            format!("has a null at position {}", null % len.max(1)),
        ));
    }
    let values = match (values.data_type(), element.data_type()) {
        (DataType::Float64, DataType::Float32) => {
            narrow(values.as_primitive::<Float64Type>().values()).map_err(|at| {
                wrong(at / len.max(1), "has a value beyond the range of float32".to_owned())
            })?
        }
        _ => values,
    };
    FixedSizeListArray::try_new(Arc::clone(element), *list_len, values, None)
        .map(|lists| Arc::new(lists) as ArrayRef)
        .map_err(|error| {
            Error::source(format!("Column `{}` changed its type", field.name())).because(error)
        })
}

/// The values of lists that all have `len` of them; else the first row that does not, and its
/// length.
fn even_lists<O: OffsetSizeTrait>(
    lists: &GenericListArray<O>,
    len: usize,
) -> Result<ArrayRef, (usize, usize)> {
    let offsets = lists.value_offsets();
    let uneven = offsets.windows(2).map(|w| (w[1] - w[0]).as_usize()).enumerate();
    match uneven.into_iter().find(|(_, found)| *found != len) {
        Some(uneven) => Err(uneven),
        None => Ok(lists.values().slice(offsets[0].as_usize(), lists.len() * len)),
    }
}

/// Rounds to float32; the position of the first finite value that would become infinite, if any.
fn narrow(values: &ScalarBuffer<f64>) -> Result<ArrayRef, usize> {
    let narrow: Vec<f32> = values.iter().map(|v| *v as f32).collect();
    let lost = |(wide, narrow): (&f64, &f32)| wide.is_finite() && narrow.is_infinite();
    match values.iter().zip(&narrow).position(lost) {
        Some(at) => Err(at),
        None => Ok(Arc::new(Float32Array::from(narrow))),
    }
}

fn first_null(array: &dyn Array) -> Option<usize> {
    let nulls = array.logical_nulls()?;
    if nulls.null_count() == 0 {
        return None;
    }
    (0..nulls.len()).find(|row| nulls.is_null(*row))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Float32Type;
    use arrow_array::{LargeListArray, ListArray};

    use super::*;
    use crate::table::{VectorColumn, VectorType, vector_field};

    fn field(dim: usize) -> FieldRef {
        Arc::new(vector_field("v", VectorColumn { vector_type: VectorType::Float32, dim }))
    }

    fn lists(rows: &[&[Option<f32>]]) -> ListArray {
        ListArray::from_iter_primitive::<Float32Type, _, _>(
            rows.iter().map(|row| Some(row.to_vec())),
        )
    }

    #[test]
    fn slices_of_lists_keep_their_place() {
        let all = lists(&[&[Some(0.0); 3], &[Some(1.0), Some(2.0)], &[Some(3.0), Some(4.0)]]);
        let tail: ArrayRef = Arc::new(all.slice(1, 2));
        let even = column(&tail, &field(2), 0).unwrap();
        let values = even.as_fixed_size_list().values().as_primitive::<Float32Type>();
        assert_eq!(values.values(), &[1.0, 2.0, 3.0, 4.0]);
        let again = column(&even.slice(1, 1), &field(2), 0).unwrap();
        let values = again.as_fixed_size_list().values().as_primitive::<Float32Type>();
        assert_eq!(values.values(), &[3.0, 4.0]);
    }

    #[test]
    fn the_row_of_an_uneven_list_or_a_null_is_named() {
        let uneven: ArrayRef = Arc::new(lists(&[&[Some(0.0); 2], &[Some(1.0)]]));
        let error = column(&uneven, &field(2), 100).unwrap_err().to_string();
        assert!(error.contains("has 1 values, expected 2\n  where: row 101"), "{error}");
        let holes: ArrayRef = Arc::new(lists(&[&[Some(0.0); 2], &[Some(1.0), None]]));
        let error = column(&holes, &field(2), 0).unwrap_err().to_string();
        assert!(error.contains("has a null at position 1\n  where: row 1"), "{error}");
        let missing =
            LargeListArray::from_iter_primitive::<Float32Type, _, _>([Some(vec![Some(0.0)]), None]);
        let missing: ArrayRef = Arc::new(missing);
        let error = column(&missing, &field(1), 7).unwrap_err().to_string();
        assert!(error.contains("is null\n  where: row 8"), "{error}");
    }

    #[test]
    fn a_value_beyond_float32_is_refused_and_infinity_stays() {
        assert_eq!(narrow(&vec![1.0, 1e300].into()).unwrap_err(), 1);
        let kept = narrow(&vec![f64::INFINITY, 0.1].into()).unwrap();
        assert_eq!(kept.as_primitive::<Float32Type>().values(), &[f32::INFINITY, 0.1]);
    }
}
