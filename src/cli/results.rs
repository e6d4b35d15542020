//! What became of each table, on standard output.

use std::time::Duration;

use crate::cli::layout::{Column, Columns, clean};
use crate::cli::terminal;
use crate::cli::verify::differences;
use crate::error::Result;
use crate::flow::Verify;
use crate::report::{RunReport, RunStatus, TableReport, TableStatus};
use crate::words;

/// Prints the result of a run. Nothing when it ended before there was a plan.
pub(super) fn print(report: &RunReport) -> Result<()> {
    if report.tables.is_empty() {
        return Ok(());
    }
    let mut told = Vec::new();
    let mut compared = String::new();
    for table in &report.tables {
        // Tables that are merged share one comparison.
        if let Some(comparison) =
            table.comparison.as_ref().filter(|_| !told.contains(&&table.target))
        {
            told.push(&table.target);
            compared.push_str(&differences(&table.target, comparison));
        }
    }
    let rejected = rejected(&report.tables);
    terminal::print(&format!("{}{compared}{rejected}{}\n", table(report), sentence(report)))
}

/// Where rejected rows are, and what is wrong with the first of them.
fn rejected(tables: &[TableReport]) -> String {
    let mut text = String::new();
    for table in tables.iter().filter(|table| table.rows_rejected > 0) {
        let place = table.rejects.as_deref().unwrap_or_default();
        let rows = words::plural(table.rows_rejected, "row");
        text.push_str(&clean(&format!("{}: {rows} rejected, in {place}", table.source)));
        text.push('\n');
        for row in &table.rejected_sample {
            let id = row.id.as_ref().map(|id| format!(", id {id}")).unwrap_or_default();
            let line = format!("split {}, row {}{id}: {}", row.split, row.row, row.reason);
            text.push_str(&format!("  {}\n", clean(&line)));
        }
        if table.rows_rejected > table.rejected_sample.len() as u64 {
            text.push_str("  …\n");
        }
    }
    text
}

fn table(report: &RunReport) -> String {
    let optional = optional_columns(&report.tables);
    let mut columns = vec![
        Column::Left("SOURCE"),
        Column::Left("TARGET"),
        Column::Left("DECISION"),
        Column::Right("READ"),
    ];
    columns.extend(optional.iter().map(|(name, _)| Column::Right(name)));
    columns.extend([
        Column::Right("WRITTEN"),
        Column::Right("BEFORE"),
        Column::Right("AFTER"),
        Column::Left("VERIFIED"),
    ]);
    let checksums = report.tables.iter().any(|table| table.checksum.is_some());
    if checksums {
        columns.push(Column::Left("CHECKSUM"));
    }
    let mut columns = Columns::new(&columns);
    for table in &report.tables {
        let mut cells = vec![
            table.source.clone(),
            table.target.clone(),
            decision(table),
            words::count(table.rows_read),
        ];
        cells.extend(optional.iter().map(|(_, rows)| words::count(rows(table))));
        cells.extend([
            words::count(table.rows_written),
            maybe(table.target_rows_before),
            maybe(table.target_rows_after),
            verified(table).to_owned(),
        ]);
        if checksums {
            cells.push(table.checksum.clone().unwrap_or_default());
        }
        columns.row(cells);
    }
    columns.render("")
}

type Rows = fn(&TableReport) -> u64;

/// Columns that are worth their place only when a table has something to show there.
fn optional_columns(tables: &[TableReport]) -> Vec<(&'static str, Rows)> {
    let all: [(&'static str, Rows); 5] = [
        ("DEDUPLICATED", |table| table.rows_deduplicated),
        ("REMAPPED", |table| table.rows_remapped),
        ("REJECTED", |table| table.rows_rejected),
        ("SKIPPED", |table| table.rows_skipped),
        ("REPLACED", |table| table.rows_replaced),
    ];
    all.into_iter().filter(|(_, rows)| tables.iter().any(|table| rows(table) > 0)).collect()
}

fn decision(table: &TableReport) -> String {
    let decision = table.decision.unwrap_or("not started");
    match table.status {
        TableStatus::Incomplete => format!("{decision}, incomplete"),
        _ => decision.to_owned(),
    }
}

fn verified(table: &TableReport) -> &'static str {
    match table.verified {
        Verify::Content => "content",
        Verify::Count => "count",
        Verify::None => "no",
    }
}

fn maybe(rows: Option<u64>) -> String {
    rows.map_or_else(|| "?".to_owned(), words::count)
}

fn done(report: &RunReport, moved: &str) -> String {
    match report.tables.iter().map(|table| table.rows_rejected).sum() {
        0 => format!("Done: {moved}"),
        rejected => format!("Done, but {} rejected: {moved}", words::plural(rejected, "row")),
    }
}

fn sentence(report: &RunReport) -> String {
    let resumed: u64 = report.tables.iter().map(|table| table.rows_resumed).sum();
    let rows = report.tables.iter().map(|table| table.rows_written).sum::<u64>() - resumed;
    let seconds = report.duration_s.max(0.001);
    let moved = format!(
        "{} written in {} ({} rows/s, {}/s)",
        words::plural(rows, "row"),
        words::time(Duration::from_secs_f64(seconds)),
        words::short(rows as f64 / seconds),
        words::bytes(report.bytes_read as f64 / seconds),
    );
    let moved = match resumed {
        0 => moved,
        _ => format!("{moved}, after {} by the run before", words::count(resumed)),
    };
    let ended = match report.status {
        RunStatus::Succeeded => return done(report, &moved),
        RunStatus::Failed => "Failed",
        RunStatus::Interrupted => "Interrupted",
    };
    match &report.advice {
        Some(advice) => format!("{ended}: {moved}\n{advice}."),
        None => format!("{ended}: {moved}"),
    }
}
