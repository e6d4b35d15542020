//! Numbers as other numbers.

use arrow::array::Array;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;

use super::Lost;
use crate::error::{Error, Result};
use crate::table::shown;

/// True when numbers of `from` can become `to` without losing more than a float's rounding.
pub(super) fn possible(from: &DataType, to: &DataType) -> bool {
    from.is_integer() && (to.is_integer() || to.is_floating())
        || from.is_floating() && to.is_floating()
}

/// Casts one column; nulls stay nulls. Gives the values that do not fit, too.
pub(super) fn apply(array: &ArrayRef, to: &DataType) -> Result<(ArrayRef, Vec<Lost>)> {
    // Arrow turns a value that does not fit into a null, or an infinity: both are looked for,
    // because its own error does not say in which row it was.
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let cast = cast_with_options(array, to, &options)
        .map_err(|error| Error::internal("A column can't be cast").because(error))?;
    let lost: Vec<usize> = if cast.null_count() > array.null_count() {
        (0..array.len()).filter(|row| cast.is_null(*row) && array.is_valid(*row)).collect()
    } else if let (Some(wide), Some(narrow)) =
        (array.as_primitive_opt::<Float64Type>(), cast.as_primitive_opt::<Float32Type>())
    {
        let pairs = wide.values().iter().zip(narrow.values()).enumerate();
        let lost = pairs.filter(|(_, (wide, narrow))| wide.is_finite() && narrow.is_infinite());
        lost.map(|(row, _)| row).filter(|row| array.is_valid(*row)).collect()
    } else {
        Vec::new()
    };
    let lost = lost.into_iter().map(|row| Lost { row, value: shown(array, row) }).collect();
    Ok((cast, lost))
}
