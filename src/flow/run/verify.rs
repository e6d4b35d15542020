//! Rows that were read, rows that were written, and what the target says.

use std::sync::Arc;

use super::state::TableRun;
use crate::error::{Error, Result};
use crate::flow::Totals;
use crate::sink::{Completion, TargetPlan};
use crate::words::count;

/// Compares the growth of a target's own count with the rows of `tables`, which are all that went
/// there.
pub(super) fn verify_count<'a>(
    plan: &TargetPlan,
    tables: impl Iterator<Item = &'a Arc<TableRun>>,
    completion: Completion,
) -> Result<()> {
    // Rows that are not published yet are elsewhere, and what was there before still is.
    let target = plan.publish.as_ref().map_or(&plan.target, |publish| &publish.from);
    let kept = |error: Error| {
        match &plan.publish {
        None => error,
        Some(_) => error.at(&plan.target).help(format!(
            "what was there before is still in its place; the new rows are in {target}: compare them with the source, then run again"
        )),
    }
    };
    let totals: Totals = tables.map(|table| table.meter.totals()).sum();
    let (written, replaced) = (totals.rows_written, totals.rows_replaced);
    let left = totals
        .rows_read
        .saturating_sub(totals.rows_deduplicated + totals.rows_rejected + totals.rows_skipped);
    if left != written {
        return Err(kept(Error::differ(format!(
            "{} rows were left to write into {target}, but it acknowledged {}",
            count(left),
            count(written)
        ))));
    }
    let expected = (completion.rows_before + written).saturating_sub(replaced);
    if completion.rows_after != expected {
        let error = Error::differ(format!(
            "{target} holds {} rows, expected {}: {} before, {} written, {} of them replaced",
            count(completion.rows_after),
            count(expected),
            count(completion.rows_before),
            count(written),
            count(replaced)
        ))
        .help("something else wrote to the target during the run, or the target lost rows; compare the two before you trust either");
        return Err(kept(error));
    }
    Ok(())
}
