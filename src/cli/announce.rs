//! What a run is about to do, said before it does it.

use crate::cli::layout::clean;
use crate::flow::{Plan, TablePlan};
use crate::sink::Decision;
use crate::words;

/// Tables announced one by one; of more, only those that need attention.
const TABLES: usize = 20;

/// Logs what is about to happen to each target.
pub(super) fn announce(plan: &Plan) {
    if plan.tables.is_empty() {
        tracing::warn!("The source holds no table: nothing to move");
    }
    for (n, table) in plan.tables.iter().enumerate() {
        let text = clean(&sentence(table));
        match table.target.decision {
            // Rows are about to be lost, as configured: said even when little is.
            Decision::Overwrite if table.target.rows_before != Some(0) => tracing::warn!("{text}"),
            _ if n < TABLES => tracing::info!("{text}"),
            _ => tracing::debug!("{text}"),
        }
        for note in table.source.notes.iter().chain(&table.target.notes) {
            let note = clean(note);
            if n < TABLES { tracing::info!("{note}") } else { tracing::debug!("{note}") }
        }
    }
    if plan.tables.len() > TABLES {
        tracing::info!("{} more tables", plan.tables.len() - TABLES);
    }
}

fn sentence(table: &TablePlan) -> String {
    let (source, target) = (&table.source, &table.target);
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
