//! What keeps a run from going on with a target.

use std::fmt::Display;

use crate::error::Error;
use crate::sink::TableToWrite;
use crate::words;

/// The target is gone.
pub(crate) fn is_gone(target: &dyn Display) -> Error {
    Error::target(format!("{target} is gone, which the interrupted run filled"))
        .help("begin anew with --restart")
}

/// Nothing tells whether rows that were sent are there.
pub(crate) fn cannot_tell(table: &TableToWrite, target: &dyn Display, rows: u64) -> Error {
    Error::target(format!(
        "{} of {} may be in {target} or not: the interrupted run had sent them, and its rules for ids let nobody tell",
        words::plural(rows, "row"),
        table.name
    ))
    .help("compare the two; then begin anew with --restart, into an empty target or with on_conflict: upsert or skip")
}
