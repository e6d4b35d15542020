//! What it is that differs between two rows of one id.

use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};

use super::differences::Change;
use crate::error::Result;
use crate::table::RowHasher;

/// Longest value that is shown, in characters.
const LONGEST: usize = 60;

/// The first difference between a row of the source and one of the target.
///
/// # Errors
/// As [`RowHasher::hashes`].
pub fn first_change(
    hasher: &RowHasher,
    (source, row): (&RecordBatch, usize),
    (target, target_row): (&RecordBatch, usize),
) -> Result<Option<Change>> {
    let Some(column) = hasher.first_difference((source, row), (target, target_row))? else {
        return Ok(None);
    };
    let field = source.schema().field(column).name().clone();
    let (here, there) = (source.column(column), target.column(column));
    let vectors = here.as_fixed_size_list_opt().zip(there.as_fixed_size_list_opt());
    let elements = vectors.map(|(here, there)| (here.value(row), there.value(target_row)));
    Ok(Some(match elements {
        Some((here, there)) => {
            let element = (0..here.len().min(there.len())).find(|n| {
                // Bits count: zero and minus zero are not the same.
                here.slice(*n, 1).to_data() != there.slice(*n, 1).to_data()
                    || shown(&here, *n) != shown(&there, *n)
            });
            let at = element.unwrap_or(0);
            Change { field, element, in_source: shown(&here, at), in_target: shown(&there, at) }
        }
        None => Change {
            field,
            element: None,
            in_source: shown(here, row),
            in_target: shown(there, target_row),
        },
    }))
}

/// A value as people read it.
fn shown(array: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default().with_null("null");
    let text = match ArrayFormatter::try_new(array, &options) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(_) => "?".to_owned(),
    };
    let text = match array.as_string_opt::<i32>() {
        Some(_) if array.is_valid(row) => format!("{text:?}"),
        _ => text,
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}
