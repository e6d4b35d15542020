//! The table as its manifest lists it, read by the source for such files.

use super::folder::Folder;
use crate::error::{Error, Result};
use crate::sink::ReadBack;
use crate::source::{SourceFactory, parquet};
use crate::store::Storage;

/// How the rows in `folder` are read back, from a store by these options.
pub fn read_back(folder: &Folder, storage: Storage) -> Result<ReadBack> {
    let Some(partition) = folder.look()?.listed else { return Ok(ReadBack::Absent) };
    let mut paths = Vec::new();
    // By their names, so that their footers tell how many rows they have, not the manifest.
    for file in &partition.files {
        let place = folder.path().join(&file.name);
        if place.facts()?.is_none() {
            return Err(Error::differ("A file of the target is gone").at(place));
        }
        paths.push(place.text()?);
    }
    let config = parquet::Config { paths, storage, ..parquet::Config::default() };
    Ok(ReadBack::Whole(config.build()?))
}
