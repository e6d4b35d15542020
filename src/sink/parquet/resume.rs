//! A table that an interrupted run began: its finished parts are kept.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::flow::SplitProgress;
use crate::sink::Earlier;
use crate::sink::files::disk::io_error;
use crate::sink::parquet::folder::{Folder, Part, footer};
use crate::sink::parquet::manifest::PartFile;

/// What was in a partition's folder before the first row was written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Memo {
    /// Number of the part of split 0.
    pub first_part: u64,
    /// Files that stay beside the new ones.
    pub kept: Vec<PartFile>,
    /// Files that go when the new ones are in place.
    pub replaced: Vec<String>,
    /// Rows in the files that stay.
    pub rows_before: u64,
}

/// A split of which nothing has to be written again.
pub enum Finished {
    /// It has a part.
    Part(u64, PartFile),
    /// No row of it was left to write.
    Empty,
}

/// By the splits of `earlier`: those that are finished, and whose part is there and whole.
pub fn finished_parts(folder: &Folder, earlier: &Earlier) -> Result<Vec<Option<Finished>>> {
    let memo: Memo = earlier.memo()?;
    let numbers = memo.first_part..;
    let parts =
        numbers.zip(&earlier.splits).map(|(number, split)| part(folder, number, &split.progress));
    Ok(parts.collect())
}

fn part(folder: &Folder, number: u64, split: &SplitProgress) -> Option<Finished> {
    if !split.finished {
        return None;
    }
    let rows = split.totals.rows_transformed();
    if rows == 0 {
        return Some(Finished::Empty);
    }
    let hidden = folder.path().join(Part::Finished.name(number));
    let name = Part::Complete.name(number);
    // A run that was cut off while it completed the table had begun to rename.
    [hidden, folder.path().join(&name)].iter().find_map(|path| {
        let bytes = fs::metadata(path).ok()?.len();
        let there = footer(path).ok().filter(|there| there.rows == rows)?;
        let (name, checksum) = (name.clone(), there.checksum);
        Some(Finished::Part(number, PartFile { name, rows, bytes, checksum }))
    })
}

/// Opens the folder as it was left: what was there before, and the finished parts by their numbers.
/// All other hidden files go.
pub fn go_on(folder: &Folder, earlier: &Earlier) -> Result<(Memo, BTreeMap<u64, PartFile>)> {
    let mut finished = BTreeMap::new();
    for part in finished_parts(folder, earlier)?.into_iter().flatten() {
        if let Finished::Part(number, file) = part {
            finished.insert(number, file);
        }
    }
    for name in folder.look()?.stale {
        let kept = matches!(
            Part::parse(&name),
            Some((number, Part::Finished)) if finished.contains_key(&number)
        );
        if !kept {
            let stale = folder.path().join(name);
            fs::remove_file(&stale)
                .map_err(|error| io_error("remove the unfinished part", &stale, error))?;
        }
    }
    Ok((earlier.memo()?, finished))
}
