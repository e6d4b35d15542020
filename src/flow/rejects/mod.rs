//! Rows that can't be moved as they are: what stops the run, or goes into files of its own.
//!
//! A source or a transform whose columns can't hold a value marks the row ([`mark`]) and goes on with
//! any other value in its place; what the target minds is in the rules of its plan. Behind the
//! transforms [`sort_out`] takes out both kinds.

mod folder;
mod rejected;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::compute::filter_record_batch;
use arrow_array::{BooleanArray, RecordBatch};
use roaring::RoaringTreemap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::Batch;
use crate::table::{Misfit, Misfits, Place, RowRules};

pub use folder::RejectsFolder;
pub use rejected::{Rejected, RejectedRow};

/// What happens when a row can't be moved as it is (NaN, over-long text, …).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBadRow {
    /// The run fails, naming the row.
    #[default]
    Fail,
    /// The row goes into a file of rejects, with the reason, and the run goes on.
    Reject,
}

/// Marks rows whose columns can't hold a value, given by their numbers within the batch `rows`.
///
/// # Errors
/// The first of them, unless bad rows are put aside.
pub fn mark(
    place: &mut Place,
    rows: &RecordBatch,
    found: BTreeMap<usize, Misfit>,
    on_bad_row: OnBadRow,
) -> Result<()> {
    let Some((row, misfit)) = found.first_key_value() else { return Ok(()) };
    if on_bad_row == OnBadRow::Fail {
        return Err(misfit.error(rows, *row, place));
    }
    let mut all = place.misfits.as_deref().cloned().unwrap_or_default();
    for (number, row) in place.rows().zip(0..rows.num_rows()) {
        if let Some(misfit) = found.get(&row) {
            misfit.clone().add_to(&mut all, number);
        }
    }
    place.misfits = Some(Arc::new(all));
    Ok(())
}

/// Takes out of a batch the rows that are marked, and those that break a rule: what is left, and
/// what was taken out, if anything was.
///
/// # Errors
/// The first of the bad rows, unless they are put aside.
pub fn sort_out(
    mut batch: Batch,
    rules: &RowRules,
    on_bad_row: OnBadRow,
) -> Result<(Batch, Option<Rejected>)> {
    let mut bad = rules.misfits(&batch.rows);
    if let Some(marked) = batch.place.misfits.take() {
        bad.extend(here(&batch, &marked));
    }
    let Some((row, misfit)) = bad.first_key_value() else { return Ok((batch, None)) };
    if on_bad_row == OnBadRow::Fail {
        return Err(misfit.error(&batch.rows, *row, &batch.place));
    }
    let is_good: BooleanArray =
        (0..batch.rows.num_rows()).map(|row| Some(!bad.contains_key(&row))).collect();
    let rejected = Rejected::of(&batch, bad)?;
    let rows = filter_record_batch(&batch.rows, &is_good)
        .map_err(|error| Error::internal("Cannot take out rows").because(error))?;
    let mut left_out =
        batch.place.left_out.take().map_or_else(RoaringTreemap::new, Arc::unwrap_or_clone);
    left_out.extend(rejected.numbers());
    batch.place.left_out = Some(Arc::new(left_out));
    Ok((Batch { rows, ..batch }, Some(rejected)))
}

/// The marked rows that are in the batch, by their numbers there.
fn here(batch: &Batch, marked: &Misfits) -> BTreeMap<usize, Misfit> {
    let numbers = batch.place.rows().zip(0..batch.rows.num_rows());
    numbers.filter_map(|(number, row)| Some((row, marked.get(&number)?.clone()))).collect()
}
