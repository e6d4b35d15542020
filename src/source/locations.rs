//! The files that a table is read from, identified.

use std::path::PathBuf;

use crate::error::Result;
use crate::flow::blocking;
use crate::location::{DataLocation, PathLocation};
use crate::source::SourceTable;

/// Identifies the files that a table's splits lie in, as `files` finds them in a split's location.
///
/// # Errors
/// When one cannot be examined.
pub async fn of_files<L, I>(
    table: &SourceTable,
    files: impl Fn(&L) -> I,
) -> Result<Vec<DataLocation>>
where
    L: serde::de::DeserializeOwned,
    I: IntoIterator<Item = PathBuf>,
{
    let all = table.files(files)?;
    blocking(move || {
        all.iter().map(|file| PathLocation::resolve(file).map(DataLocation::Path)).collect()
    })
    .await
}
