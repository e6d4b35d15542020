//! What runs left at the targets, for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cli::layout::{Column, Columns, clean};
use crate::flow::Remains;
use crate::words;

/// A table of it.
pub(super) fn table(all: &[Remains]) -> String {
    let mut columns = Columns::new(&[
        Column::Left("TARGET"),
        Column::Left("WHAT"),
        Column::Left("RUN"),
        Column::Right("AGE"),
        Column::Right("ROWS"),
        Column::Left("STATE"),
    ]);
    for remains in all {
        columns.row([
            remains.target.clone(),
            remains.what.clone(),
            remains.run.clone().unwrap_or_else(|| "unknown".to_owned()),
            remains.since.map_or_else(|| "?".to_owned(), age),
            remains.rows.map_or_else(|| "?".to_owned(), words::count),
            (if remains.is_at_work { "at work" } else { "dead" }).to_owned(),
        ]);
    }
    columns.render("")
}

/// Each in a sentence.
pub(super) fn sentences(all: &[Remains]) -> Vec<String> {
    let sentence = |remains: &Remains| {
        let run = remains.run.as_ref().map(|run| format!(", of run {run}")).unwrap_or_default();
        let age = remains.since.map(|since| format!(", {} old", age(since))).unwrap_or_default();
        let rows = remains.rows.map(|rows| format!(", {}", words::plural(rows, "row")));
        let rows = rows.unwrap_or_default();
        clean(&format!("{}: {}{run}{age}{rows}", remains.target, remains.what))
    };
    all.iter().map(sentence).collect()
}

fn age(since: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    words::whole_time(Duration::from_secs(now.saturating_sub(since)))
}
