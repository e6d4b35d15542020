//! A table that an interrupted run began: its finished parts are kept.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::flow::SplitProgress;
use crate::sink::Earlier;
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
    parts.collect()
}

fn part(folder: &Folder, number: u64, split: &SplitProgress) -> Result<Option<Finished>> {
    if !split.finished {
        return Ok(None);
    }
    let rows = split.totals.rows_transformed();
    if rows == 0 {
        return Ok(Some(Finished::Empty));
    }
    let name = Part::Complete.name(number);
    let mut names = vec![folder.finished(number), name.clone()];
    // A run that was cut off while it completed the table had begun to rename.
    names.dedup();
    for place in names.iter().map(|name| folder.path().join(name)) {
        if place.facts()?.is_none() {
            continue;
        }
        match footer(&place) {
            Ok(there) if there.rows == rows => {
                let (bytes, checksum) = (there.bytes, there.checksum);
                return Ok(Some(Finished::Part(number, PartFile { name, rows, bytes, checksum })));
            }
            // What a disk holds half is written again. A store holds nothing half: it did not answer.
            Err(error) if !place.shows_unfinished() => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(None)
}

/// Opens the folder as it was left: what was there before, and the finished parts by their numbers.
/// All other parts that are not the table's go.
pub fn go_on(folder: &Folder, earlier: &Earlier) -> Result<(Memo, BTreeMap<u64, PartFile>)> {
    let mut finished = BTreeMap::new();
    for part in finished_parts(folder, earlier)?.into_iter().flatten() {
        if let Finished::Part(number, file) = part {
            finished.insert(number, file);
        }
    }
    let memo: Memo = earlier.memo()?;
    let kept: HashSet<_> = finished.keys().map(|number| folder.finished(*number)).collect();
    for name in folder.look()?.stale {
        if !kept.contains(&name) && !memo.replaced.contains(&name) {
            folder.path().join(&name).remove()?;
        }
    }
    Ok((memo, finished))
}
