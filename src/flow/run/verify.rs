//! Rows that were read, rows that were written, and what the target says.

use std::sync::Arc;

use super::state::TableRun;
use super::{Controls, targets_of};
use crate::error::{Error, Result};
use crate::flow::verify::{compare, differ};
use crate::flow::{Pipeline, Totals};
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
    let left = totals.rows_transformed().saturating_sub(totals.rows_skipped);
    if left != written {
        return Err(kept(Error::differ(format!(
            "{} rows were left to write into {target}, but it acknowledged {}",
            count(left),
            count(written)
        ))));
    }
    let expected = (completion.rows_before + written).saturating_sub(replaced);
    // Of rows that may have been there, or have come by an interrupted run, either is right.
    let uncertain = totals.rows_uncertain;
    if !(expected..=expected + uncertain).contains(&completion.rows_after) {
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

/// Compares the content of all targets with the source's, once all rows have moved.
pub(super) async fn verify_content(
    pipeline: &Arc<Pipeline>,
    tables: &[Arc<TableRun>],
    controls: &Controls,
) -> Result<()> {
    let plans: Vec<_> = tables.iter().map(|table| &table.plan).collect();
    let mut compared = Vec::new();
    for target in targets_of(tables).iter().filter(|target| target.plan.moves()) {
        let before = target.completion.get().map(|completion| completion.rows_before);
        let comparison = compare(pipeline, &plans, &target.plan, before, controls).await?;
        compared.push((target.plan.plan.target.clone(), comparison.clone()));
        let _ = target.comparison.set(comparison);
    }
    differ(compared.iter().map(|(target, comparison)| (target.as_str(), comparison)))
}
