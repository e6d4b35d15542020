//! Rows that were read, rows that were written, and what the target says.

use std::sync::Arc;

use super::Run;
use super::state::TableRun;
use crate::error::{Error, Result};
use crate::flow::Totals;
use crate::flow::verify::{Rows, compare, differ};
use crate::sink::{Completion, TargetPlan};
use crate::words::{count, plural};

/// Compares the growth of a target's own count with the rows of `tables`, which are all that went
/// there.
pub(super) fn verify_count<'a>(
    plan: &TargetPlan,
    tables: impl Iterator<Item = &'a Arc<TableRun>>,
    completion: Completion,
) -> Result<()> {
    // Rows that are not published yet are elsewhere, and what was there before still is.
    let target = plan.publish.as_ref().map_or(&plan.target, |publish| &publish.from);
    let kept = |error: Error| match &plan.publish {
        None => error,
        Some(publish) => error.at(&plan.target).help(kept(&publish.from)),
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
    let expected = expected(&totals, completion);
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

/// Rows that the target must hold at least.
fn expected(totals: &Totals, completion: Completion) -> u64 {
    (completion.rows_before + totals.rows_written).saturating_sub(totals.rows_replaced)
}

/// True when the target counts fewer rows than it must hold.
pub(super) fn is_short(totals: &Totals, completion: Completion) -> bool {
    completion.rows_after < expected(totals, completion)
}

/// Says so where the count can't be exact.
pub(super) fn warn_of_uncertain(table: &TableRun) {
    let rows = table.meter.totals().rows_uncertain;
    if rows > 0 {
        table.warn(&format!(
            "The count is checked to within {}: an interrupted run had sent as many without an answer, they were sent again, and the target does not tell which of them it held before. `pipeline verify` compares every row",
            plural(rows, "row")
        ));
    }
}

/// What to do about rows that are not as they should be, and wait.
fn kept(from: &str) -> String {
    format!(
        "what was there before is still in its place; the new rows are in {from}: compare them with the source, then run again, which looks at them once more, or with --restart, which fills them anew"
    )
}

impl Run {
    /// Compares the content of all targets with the source's, once all rows have moved, and has those
    /// put in place that waited for it and are the same.
    pub(super) async fn verify_content(&self) -> Result<()> {
        let plans: Vec<_> = self.tables.iter().map(|table| &table.plan).collect();
        let mut compared = Vec::new();
        for target in self.targets.iter().filter(|target| target.plan.moves()) {
            let before = target.completion.get().map(|completion| completion.rows_before);
            let waiting = target.plan.plan.publish.as_ref().filter(|_| !target.plan.is_complete());
            let rows = if waiting.is_some() { Rows::Waiting } else { Rows::InPlace };
            let way = (&self.pipeline, &*plans, &*target.plan);
            let comparison = compare(way.0, way.1, way.2, (rows, before), &self.controls).await?;
            compared.push((waiting, &target.plan.plan.target, comparison.clone()));
            let _ = target.comparison.set(comparison);
        }
        for complete in self.publications.put_off() {
            let mut together = compared.iter().filter(|(waiting, ..)| complete.is_of(*waiting));
            if together.all(|(.., comparison)| comparison.is_well()) {
                self.publish(complete).await?;
            }
        }
        let named = compared.iter().map(|(waiting, target, comparison)| {
            (waiting.map_or(&***target, |publish| &*publish.from), comparison)
        });
        differ(named).map_err(|error| {
            let differing = compared.iter().filter(|(.., comparison)| !comparison.is_well());
            let mut waiting = differing.filter_map(|(waiting, ..)| *waiting);
            match waiting.next() {
                Some(publish) => error.help(kept(&publish.from)),
                None => error,
            }
        })
    }
}
