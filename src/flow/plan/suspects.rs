//! Bad rows that the source knows of before any are read.

use futures::StreamExt;

use crate::error::Result;
use crate::flow::{OnBadRow, Pipeline};
use crate::source::{Columns, SourceTable};

/// Reads the splits that are known to hold bad rows, up to the first of these.
///
/// # Errors
/// That row's, unless bad rows are put aside.
pub(super) async fn refuse(pipeline: &Pipeline, table: &SourceTable) -> Result<()> {
    if pipeline.settings.on_bad_row == OnBadRow::Reject {
        return Ok(());
    }
    let suspects = pipeline.source.suspects(table);
    if suspects.is_empty() {
        return Ok(());
    }
    let cx = pipeline.read_context()?;
    for split in suspects.iter().filter_map(|number| table.splits.get(*number)) {
        let mut batches = pipeline.source.open(table, split, 0, Columns::All, &cx)?;
        while batches.next().await.transpose()?.is_some() {}
    }
    Ok(())
}
