//! Comparing the content of targets with that of the source, row by row: after a run, or at any
//! time.
//!
//! | module | holds |
//! |---|---|
//! | `comparison`, `differences`, `change` | what it came to, which rows differ, and in what |
//! | `earlier` | what to compare, and what the targets held before, as the journal of the run tells |
//! | `rows` | reading all rows of a side: the source's through the transforms, or a target's files |
//! | `by_id` | targets that give rows back by their ids |
//! | `several` | the same where rows share ids |
//! | `whole` | targets that are read from end to end |
//! | `buckets`, `extra` | finding rows that differ in bounded memory |

mod buckets;
mod by_id;
mod change;
mod comparison;
mod differences;
mod earlier;
mod extra;
mod rows;
mod several;
mod whole;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::flow::plan::{Plan, TablePlan, TargetTable};
use crate::flow::survey::find_left_out;
use crate::flow::{Controls, Pipeline};
use crate::sink::ReadBack;
use crate::source::Columns;
use crate::words::plural;
use rows::{NotCompared, Reading, SourceSide};

pub use comparison::{Comparison, Verdict};
pub use differences::{Change, Differences, What};

/// Compares every target with the tables of the source that went there. Changes nothing. Gives what
/// was compared, and one comparison for each of its targets.
///
/// # Errors
/// When source or target can't be read. That they differ is no error here, see
/// [`Comparison::verdict`].
pub async fn verify(
    pipeline: &Arc<Pipeline>,
    controls: &Controls,
) -> Result<(Plan, Vec<Comparison>)> {
    pipeline.check_comparable()?;
    pipeline.source.ready().await?;
    let (plan, before) = earlier::plan(pipeline).await?;
    let tables: Vec<_> = plan.tables.iter().collect();
    let mut compared = Vec::new();
    for (target, before) in plan.targets.iter().zip(before) {
        find_left_out(pipeline, &plan, target, controls).await?;
        let rows = (Rows::InPlace, before);
        compared.push(compare(pipeline, &tables, target, rows, controls).await?);
    }
    Ok((plan, compared))
}

/// Where the rows of a target are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// In it.
    InPlace,
    /// Where they wait until they are published.
    Waiting,
}

/// Compares one target with its tables. `rows` says where the rows are, and how many were there before
/// theirs, where that is known.
pub(super) async fn compare(
    pipeline: &Arc<Pipeline>,
    tables: &[&TablePlan],
    target: &TargetTable,
    rows: (Rows, Option<u64>),
    controls: &Controls,
) -> Result<Comparison> {
    let compared = compare_target(pipeline, tables, target, rows, controls).await;
    compared.map_err(|error| error.at(format!("comparing table {}", target.write.name)))
}

async fn compare_target(
    pipeline: &Arc<Pipeline>,
    tables: &[&TablePlan],
    target: &TargetTable,
    (rows, before): (Rows, Option<u64>),
    controls: &Controls,
) -> Result<Comparison> {
    let place = match (rows, &target.plan.publish) {
        (Rows::Waiting, Some(publish)) => &publish.from,
        _ => &target.plan.target,
    };
    tracing::info!("Comparing {place} with {}", target.write.name);
    let reading = Reading::new(pipeline, controls)?;
    let not_compared = NotCompared::new(target.splits.len());
    let (columns, not_compared) = (Columns::All, &not_compared);
    let side = SourceSide { pipeline, tables, target, columns, not_compared };
    let sink = &pipeline.sink;
    let read_back = reading
        .until_stopped(async {
            match rows {
                Rows::InPlace => sink.read_back(&target.write).await,
                Rows::Waiting => sink.read_back_waiting(&target.write).await,
            }
        })
        .await??;
    let compared = match read_back {
        ReadBack::Never(why) => {
            let notes = vec![format!("nothing to compare: {why}")];
            Ok(Comparison::none(Verdict::NothingToCompare, notes))
        }
        ReadBack::Absent => {
            let notes = vec!["the target does not exist".to_owned()];
            Ok(Comparison::none(Verdict::NoTarget, notes))
        }
        ReadBack::ById(rows) => by_id::compare(&*rows, &side, &reading, before == Some(0)).await,
        ReadBack::Whole(source) => {
            let Some(before) = before else { return Err(which_rows(target)) };
            whole::compare(source, &side, &reading, before).await
        }
    };
    compared.map(|comparison| with_not_compared(comparison, not_compared))
}

/// Says how many rows of the source were not looked for, and why.
fn with_not_compared(mut comparison: Comparison, not_compared: &NotCompared) -> Comparison {
    let (rejected, not_shown) = (not_compared.rejected(), not_compared.not_shown());
    if rejected > 0 {
        comparison.notes.push(format!(
            "{} left out, which the run rejects (on_bad_row)",
            plural(rejected, "row")
        ));
    }
    if not_shown > 0 {
        comparison.notes.push(format!(
            "{} that the source counts and does not give back left out: they have keys that other rows have too",
            plural(not_shown, "row")
        ));
    }
    comparison
}

/// Files that were appended to hold other rows, too.
fn which_rows(target: &TargetTable) -> Error {
    Error::config(
        "Which of the target's rows came from the source is known to the journal of the run alone, and there is none",
    )
    .at(&target.plan.target)
    .help("verify with the configuration and in the folder (run.state_dir) of the run that appended them, or append with `run --verify content`")
}

/// The error of targets that differ from the source, if some do.
pub(super) fn differ<'a>(compared: impl Iterator<Item = (&'a str, &'a Comparison)>) -> Result<()> {
    let differing: Vec<_> = compared.filter(|(_, comparison)| !comparison.is_well()).collect();
    let words = |(target, comparison): &(&str, &Comparison)| match comparison.verdict {
        Verdict::NoTarget => format!("{target} does not exist"),
        _ => format!("{target}: {}", comparison.differences),
    };
    if differing.is_empty() {
        return Ok(());
    }
    let all = differing.iter().map(words).collect::<Vec<_>>().join("; ");
    Err(Error::differ(format!("Source and target differ: {all}")))
}

impl Comparison {
    /// The error of comparisons of which some found a difference.
    ///
    /// # Errors
    /// [`Kind::Differ`](crate::error::Kind::Differ), with the targets and what differs.
    pub fn check<'a>(compared: impl Iterator<Item = (&'a str, &'a Comparison)>) -> Result<()> {
        differ(compared)
    }
}
