//! What a run is about to do, said before it does it.

use std::collections::BTreeSet;

use crate::cli::layout::clean;
use crate::cli::remains;
use crate::flow::{Plan, TargetTable};
use crate::sink::Decision;
use crate::words;

/// Targets announced one by one; of more, only those that need attention.
const TARGETS: usize = 20;

/// Logs what is about to happen to each target.
pub(super) fn announce(plan: &Plan) {
    if plan.tables.is_empty() {
        tracing::warn!("The source holds no table: nothing to move");
    }
    if let Some(started) = &plan.resumes {
        let finished = plan.targets.iter().map(|target| target.progress.finished() as u64).sum();
        let splits = plan.targets.iter().map(|target| target.splits.len() as u64).sum();
        let rows = plan.targets.iter().map(|target| target.progress.settled()).sum();
        tracing::info!(
            "Resuming the run of {}: {} of {}, {} are there already",
            words::moment(started),
            words::count(finished),
            words::plural(splits, "split"),
            words::plural(rows, "row"),
        );
    }
    for text in remains::sentences(&plan.remains) {
        tracing::info!("Left by another run, and left alone: {text}");
    }
    let mut said = BTreeSet::new();
    for (n, target) in plan.targets.iter().enumerate() {
        // What is so of all tables is said once.
        let mut say = |text: &str| match clean(text) {
            text if !said.insert(text.clone()) => {}
            text if n < TARGETS => tracing::info!("{text}"),
            text => tracing::debug!("{text}"),
        };
        let text = sentence(target);
        match target.plan.decision {
            // Rows are about to be lost, as configured: said even when little is.
            Decision::Overwrite if target.plan.rows_before != Some(0) && !begun(target) => {
                tracing::warn!("{}", clean(&text));
            }
            _ => say(&text),
        }
        if let Some(left_out) = target.left_out.get().filter(|left_out| left_out.rows() > 0) {
            let rows = words::plural(left_out.rows(), "row");
            say(&format!("Leaving out {rows} of {} whose id comes again", target.write.name));
        }
        for source in target.tables.iter().map(|table| &plan.tables[*table].source) {
            for warning in &source.warnings {
                tracing::warn!("{}", clean(&format!("{}: {warning}", source.name)));
            }
            source.notes.iter().for_each(|note| say(note));
        }
        target.plan.notes.iter().for_each(|note| say(note));
    }
    if plan.targets.len() > TARGETS {
        tracing::info!("{} more targets", plan.targets.len() - TARGETS);
    }
}

/// True when an interrupted run has changed the target as planned.
fn begun(target: &TargetTable) -> bool {
    target.progress.memo.is_some()
}

fn sentence(target: &TargetTable) -> String {
    if target.is_complete() {
        return format!("{} is complete", target.plan.target);
    }
    if begun(target) {
        let left = words::count(target.write.rows.saturating_sub(target.progress.settled()));
        let rows = words::plural(target.write.rows, "row");
        let name = &target.write.name;
        return format!(
            "Going on with {}: {left} of {rows} of {name} are left",
            target.plan.target
        );
    }
    let (source, target) = (&target.write, &target.plan);
    let held = target.rows_before.map(|rows| words::plural(rows, "row"));
    let rows = words::plural(source.rows, "row");
    match (target.decision, held) {
        (Decision::Skip, Some(held)) => {
            format!(
                "Leaving {} alone, it holds {held}; nothing of {} moves",
                target.target, source.name
            )
        }
        (Decision::Skip, None) => {
            format!("Leaving {} alone; nothing of {} moves", target.target, source.name)
        }
        (Decision::Create, _) => {
            format!("Creating {} for {rows} of {}", target.target, source.name)
        }
        (Decision::Append, Some(held)) => {
            format!("Adding {rows} of {} to the {held} of {}", source.name, target.target)
        }
        (Decision::Append, None) => {
            format!("Adding {rows} of {} to {}", source.name, target.target)
        }
        (Decision::Overwrite, held) => format!(
            "Replacing {} of {} by {rows} of {}",
            held.unwrap_or_else(|| "the rows".to_owned()),
            target.target,
            source.name
        ),
    }
}
