//! From a file's batch to the table's: vectors become fixed-size lists without nulls, ids Int64 or
//! Utf8.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::MutableArrayData;
use arrow::buffer::ScalarBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, GenericListArray, Int64Array,
    OffsetSizeTrait, RecordBatch, make_array,
};

use crate::error::{Error, Result};
use crate::table::{Misfit, Role, TableSchema, shown, without_nulls};

/// Rows of a batch that its columns can't hold.
#[derive(Debug)]
pub struct Unfit<'a> {
    /// The file, for messages.
    pub path: &'a Path,
    /// The batch's first row within its file.
    pub first_row: u64,
    /// By their numbers in the batch.
    pub rows: BTreeMap<usize, Misfit>,
}

impl<'a> Unfit<'a> {
    /// None so far, in a batch that begins with row `first_row` of the file at `path`.
    pub fn none(path: &'a Path, first_row: u64) -> Unfit<'a> {
        Unfit { path, first_row, rows: BTreeMap::new() }
    }

    /// Leaves out the first rows of the batch.
    pub fn pass_over(&mut self, rows: usize) {
        let kept = self.rows.split_off(&rows).into_iter();
        self.rows = kept.map(|(row, misfit)| (row - rows, misfit)).collect();
    }

    fn add(&mut self, row: usize, field: &FieldRef, what: impl FnOnce() -> String) {
        let is_known = |misfit: &Misfit| misfit.lost.contains(field.name());
        if self.rows.get(&row).is_some_and(is_known) {
            return;
        }
        let number = self.first_row + row as u64;
        let at = Some(format!("{}, row {number}", self.path.display()));
        let misfit = Misfit { at, ..Misfit::lost(field.name(), what()) };
        misfit.add_to(&mut self.rows, row);
    }
}

/// Columns of a file's batch as columns of the table. Rows whose value is null where it must not be,
/// does not fit, or is a vector of another length, are added to `unfit`.
///
/// # Errors
/// [`Kind::Source`](crate::error::Kind::Source) when the column is not what was planned.
pub fn column(array: &ArrayRef, field: &FieldRef, unfit: &mut Unfit<'_>) -> Result<ArrayRef> {
    if Role::of(field) == Role::Vector && matches!(field.data_type(), DataType::FixedSizeList(..)) {
        return vectors(array, field, unfit);
    }
    let cast = plain(array, field)?;
    if cast.null_count() > array.null_count() {
        for row in (0..cast.len()).filter(|row| cast.is_null(*row) && array.is_valid(*row)) {
            unfit.add(row, field, || {
                let value = shown(array, row);
                format!(
                    "the value {value} in column `{}` does not fit {}",
                    field.name(),
                    field.data_type()
                )
            });
        }
    }
    if field.is_nullable() || cast.logical_null_count() == 0 {
        return Ok(cast);
    }
    for row in nulls(cast.as_ref()) {
        let role = if Role::of(field) == Role::Id { "id column" } else { "column" };
        unfit.add(row, field, || format!("{role} `{}` is null", field.name()));
    }
    without_nulls(&cast)
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
    // A value that does not fit becomes a null, which is looked for: Arrow's own error does not say
    // in which row it was.
    let options = CastOptions { safe: true, ..CastOptions::default() };
    cast_with_options(array, field.data_type(), &options).map_err(|error| {
        Error::source(format!("Column `{}` can't become {}", field.name(), field.data_type()))
            .because(error)
    })
}

fn vectors(array: &ArrayRef, field: &FieldRef, unfit: &mut Unfit<'_>) -> Result<ArrayRef> {
    let DataType::FixedSizeList(element, list_len) = field.data_type() else {
        return Err(Error::internal(format!("Vector column `{}` is no list", field.name())));
    };
    let len = usize::try_from(*list_len).unwrap_or(0);
    let name = field.name();
    let absent = array.logical_nulls().filter(|_| field.is_nullable());
    let is_absent = |row| absent.as_ref().is_some_and(|absent| absent.is_null(row));
    for row in nulls(array.as_ref()).into_iter().filter(|row| !is_absent(*row)) {
        unfit.add(row, field, || format!("vector column `{name}` is null"));
    }
    let values = match array.data_type() {
        DataType::FixedSizeList(_, found) if found != list_len => {
            return Err(Error::source(format!(
                "Vector column `{name}` has {found} values, expected {len}"
            )));
        }
        DataType::FixedSizeList(..) => {
            let lists = array.as_fixed_size_list();
            let start = lists.value_offset_at(0);
            lists.values().slice(start, lists.len() * len)
        }
        DataType::List(_) => even_lists(array.as_list::<i32>(), len, field, unfit)?,
        DataType::LargeList(_) => even_lists(array.as_list::<i64>(), len, field, unfit)?,
        other => {
            return Err(Error::source(format!("Column `{name}` became {other}")));
        }
    };
    let mut values = values;
    if values.logical_null_count() > 0 {
        for at in nulls(values.as_ref()).into_iter().filter(|at| !is_absent(at / len.max(1))) {
            unfit.add(at / len.max(1), field, || {
                format!("vector column `{name}` has a null at position {}", at % len.max(1))
            });
        }
        values = without_nulls(&values)?;
    }
    let values = match (values.data_type(), element.data_type()) {
        (DataType::Float64, DataType::Float32) => {
            let wide = values.as_primitive::<Float64Type>().values();
            narrow(wide, |at| {
                unfit.add(at / len.max(1), field, || {
                    let (value, at) = (wide[at], at % len.max(1));
                    format!("value {at} of `{name}` is {value:e}, beyond the range of float32")
                });
            })
        }
        _ => values,
    };
    FixedSizeListArray::try_new(Arc::clone(element), *list_len, values, absent)
        .map(|lists| Arc::new(lists) as ArrayRef)
        .map_err(|error| Error::source(format!("Column `{name}` changed its type")).because(error))
}

/// The values of lists, `len` of each. Of a list with another number of them, nulls.
fn even_lists<O: OffsetSizeTrait>(
    lists: &GenericListArray<O>,
    len: usize,
    field: &FieldRef,
    unfit: &mut Unfit<'_>,
) -> Result<ArrayRef> {
    let too_many = |error| Error::source("The vectors are too many for one batch").because(error);
    let offsets = lists.value_offsets();
    let lengths = || offsets.windows(2).map(|w| (w[1] - w[0]).as_usize());
    if lengths().all(|found| found == len) {
        return Ok(lists.values().slice(offsets[0].as_usize(), lists.len() * len));
    }
    let data = lists.values().to_data();
    let mut even = MutableArrayData::new(vec![&data], true, lists.len() * len);
    for (row, found) in lengths().enumerate() {
        if found == len {
            let start = offsets[row].as_usize();
            even.try_extend(0, start, start + len).map_err(too_many)?;
            continue;
        }
        even.try_extend_nulls(len).map_err(too_many)?;
        unfit.add(row, field, || {
            let value = shown(lists, row);
            format!("vector column `{}` has {found} values, expected {len}: {value}", field.name())
        });
    }
    Ok(make_array(even.freeze()))
}

/// Rounds to float32; tells of finite values that became infinite.
fn narrow(values: &ScalarBuffer<f64>, mut lost: impl FnMut(usize)) -> ArrayRef {
    let narrow: Vec<f32> = values.iter().map(|v| *v as f32).collect();
    let is_lost = |(wide, narrow): (&f64, &f32)| wide.is_finite() && narrow.is_infinite();
    let pairs = values.iter().zip(&narrow).enumerate();
    pairs.filter(|(_, pair)| is_lost(*pair)).for_each(|(at, _)| lost(at));
    Arc::new(Float32Array::from(narrow))
}

fn nulls(array: &dyn Array) -> Vec<usize> {
    let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) else {
        return Vec::new();
    };
    (0..nulls.len()).filter(|row| nulls.is_null(*row)).collect()
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

    /// The values, and the rows that do not fit.
    fn convert(array: &ArrayRef, dim: usize) -> (Vec<f32>, Vec<(usize, String)>) {
        let mut unfit = Unfit::none(Path::new("a.parquet"), 100);
        let vectors = column(array, &field(dim), &mut unfit).unwrap();
        let values = vectors.as_fixed_size_list().values().as_primitive::<Float32Type>().clone();
        let misfits = unfit.rows.into_iter().map(|(row, misfit)| (row, misfit.what));
        (values.values().to_vec(), misfits.collect())
    }

    #[test]
    fn slices_of_lists_keep_their_place() {
        let all = lists(&[&[Some(0.0); 3], &[Some(1.0), Some(2.0)], &[Some(3.0), Some(4.0)]]);
        let tail: ArrayRef = Arc::new(all.slice(1, 2));
        assert_eq!(convert(&tail, 2), (vec![1.0, 2.0, 3.0, 4.0], vec![]));
        let even = column(&tail, &field(2), &mut Unfit::none(Path::new("a.parquet"), 0)).unwrap();
        assert_eq!(convert(&even.slice(1, 1), 2), (vec![3.0, 4.0], vec![]));
    }

    #[test]
    fn uneven_lists_and_nulls_are_told_and_the_others_keep_their_place() {
        let uneven: ArrayRef = Arc::new(lists(&[&[Some(1.0)], &[Some(2.0), Some(3.0)], &[]]));
        let (values, misfits) = convert(&uneven, 2);
        assert_eq!(values[2..4], [2.0, 3.0]);
        let words = |n: usize, value: &str| {
            format!("vector column `v` has {n} values, expected 2: {value}")
        };
        assert_eq!(misfits, [(0, words(1, "[1.0]")), (2, words(0, "[]"))]);
        let holes: ArrayRef = Arc::new(lists(&[&[Some(0.0); 2], &[Some(1.0), None]]));
        let (values, misfits) = convert(&holes, 2);
        assert_eq!(values[..3], [0.0, 0.0, 1.0]);
        assert_eq!(misfits, [(1, "vector column `v` has a null at position 1".to_owned())]);
        let missing =
            LargeListArray::from_iter_primitive::<Float32Type, _, _>([Some(vec![Some(7.0)]), None]);
        let (values, misfits) = convert(&(Arc::new(missing) as ArrayRef), 1);
        assert_eq!(values[0], 7.0);
        assert_eq!(misfits, [(1, "vector column `v` is null".to_owned())]);
    }

    #[test]
    fn a_value_beyond_float32_is_told_and_infinity_stays() {
        let mut lost = Vec::new();
        narrow(&vec![1.0, 1e300, 0.0].into(), |at| lost.push(at));
        assert_eq!(lost, [1]);
        let kept = narrow(&vec![f64::INFINITY, 0.1].into(), |_| panic!("nothing is lost"));
        assert_eq!(kept.as_primitive::<Float32Type>().values(), &[f32::INFINITY, 0.1]);
    }
}
