//! The table as its manifest lists it, read by the source for such files.

use super::folder::Folder;
use crate::error::{Error, Result};
use crate::sink::ReadBack;
use crate::source::{SourceFactory, parquet};

/// How the rows in `folder` are read back.
pub fn read_back(folder: &Folder) -> Result<ReadBack> {
    let Some(partition) = folder.look()?.listed else { return Ok(ReadBack::Absent) };
    let mut paths = Vec::new();
    // By their names, so that their footers tell how many rows they have, not the manifest.
    for file in &partition.files {
        let path = folder.path().join(&file.name);
        if !path.exists() {
            return Err(Error::differ("A file of the target is gone").at(path.display()));
        }
        let path = path.to_str().ok_or_else(|| {
            Error::target("The folder's path is not UTF-8, so its files can't be read back")
                .at(path.display())
        })?;
        paths.push(path.to_owned());
    }
    let config = parquet::Config { paths, ..parquet::Config::default() };
    Ok(ReadBack::Whole(config.build()?))
}
