//! Numbers as other numbers.

use arrow::array::Array;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;

use super::Misfit;

/// True when numbers of `from` can become `to` without losing more than a float's rounding.
pub(super) fn possible(from: &DataType, to: &DataType) -> bool {
    from.is_integer() && (to.is_integer() || to.is_floating())
        || from.is_floating() && to.is_floating()
}

/// Casts one column; nulls stay nulls.
pub(super) fn apply(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Misfit> {
    // Arrow turns a value that does not fit into a null, or an infinity: both are looked for,
    // because its own error does not say in which row it was.
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let misfit = |row| Misfit {
        row,
        value: arrow::util::display::array_value_to_string(array, row).unwrap_or_default(),
    };
    let cast = cast_with_options(array, to, &options).map_err(|_| misfit(0))?;
    let lost = if cast.null_count() > array.null_count() {
        (0..array.len()).find(|row| cast.is_null(*row) && array.is_valid(*row))
    } else if let (Some(wide), Some(narrow)) =
        (array.as_primitive_opt::<Float64Type>(), cast.as_primitive_opt::<Float32Type>())
    {
        let pairs = wide.values().iter().zip(narrow.values());
        pairs.into_iter().position(|(wide, narrow)| wide.is_finite() && narrow.is_infinite())
    } else {
        None
    };
    match lost {
        Some(row) => Err(misfit(row)),
        None => Ok(cast),
    }
}
