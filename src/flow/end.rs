//! Did a split end with the row that the plan has as its last one?

use crate::error::{Error, Result};
use crate::source::{Source, SourceTable};
use crate::table::Split;
use crate::words::count;

/// Checks that `came`, the rows of a split up to its end, are those that were planned, or that the
/// source knows why there are fewer.
///
/// # Errors
/// [`Kind::Source`](crate::error::Kind::Source) when they are not, or the source can't find out.
pub async fn check_end(
    source: &dyn Source,
    table: &SourceTable,
    split: &Split,
    came: u64,
) -> Result<Option<String>> {
    if came == split.rows {
        return Ok(None);
    }
    if came < split.rows
        && let Some(why) = source.fewer_rows(table, split, came).await?
    {
        return Ok(Some(why));
    }
    Err(Error::source_changed(format!(
        "split {} was planned with {} rows, and {} came",
        split.index,
        count(split.rows),
        count(came)
    )))
}
