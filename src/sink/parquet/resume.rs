//! A table that an interrupted run began: its finished parts are kept. A part is this run's only when
//! its name, its footer and the journal's receipt say so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::ownership::Owner;
use crate::sink::parquet::folder::{Folder, Part, PartName, footer};
use crate::sink::parquet::manifest::PartFile;
use crate::sink::{Earlier, EarlierSplit, Receipt};

/// What the run needs to know of a partition's folder when it is resumed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Memo {
    /// Number of the part of split 0.
    pub first_part: u64,
}

/// A split of which nothing has to be written again.
pub enum Finished {
    /// It has a part.
    Part(u64, PartFile),
    /// No row of it was left to write.
    Empty,
}

/// By the splits of `earlier`, which `run` wrote: those that are finished, and whose part is there and
/// whole.
pub fn finished_parts(
    folder: &Folder,
    run: &str,
    earlier: &Earlier,
) -> Result<Vec<Option<Finished>>> {
    let memo: Memo = earlier.memo()?;
    let numbers = memo.first_part..;
    numbers.zip(&earlier.splits).map(|(number, split)| part(folder, (number, run), split)).collect()
}

fn part(
    folder: &Folder,
    (number, run): (u64, &str),
    split: &EarlierSplit,
) -> Result<Option<Finished>> {
    if !split.progress.finished {
        return Ok(None);
    }
    let rows = split.progress.totals.rows_transformed();
    if rows == 0 {
        return Ok(Some(Finished::Empty));
    }
    let name = Part::Complete.name(number, run);
    let mut names = vec![folder.finished(number, run), name.clone()];
    // A run that was interrupted while it completed the table had begun to rename.
    names.dedup();
    for place in names.iter().map(|name| folder.path().join(name)) {
        if place.facts()?.is_none() {
            continue;
        }
        match footer(&place) {
            Ok(there) => {
                let (bytes, checksum) = (there.bytes, there.checksum);
                let is_that = split.receipt == Some(Receipt { bytes, checksum });
                if is_that && there.rows == rows && there.run.as_deref() == Some(run) {
                    let file = PartFile { name, rows, bytes, checksum };
                    return Ok(Some(Finished::Part(number, file)));
                }
            }
            // What a disk holds half is written again. A store holds nothing half: it did not answer.
            Err(error) if !place.shows_unfinished() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(None)
}

/// Opens the folder as `run` left it: the finished parts by their numbers. Its other parts go.
pub fn go_on(
    folder: &Folder,
    run: &str,
    earlier: &Earlier,
) -> Result<(Memo, BTreeMap<u64, PartFile>)> {
    let mut finished = BTreeMap::new();
    for part in finished_parts(folder, run, earlier)?.into_iter().flatten() {
        if let Finished::Part(number, file) = part {
            finished.insert(number, file);
        }
    }
    let own = |part: &PartName| part.run.as_deref() == Some(run);
    let content = folder.look()?;
    for part in content.hidden.into_iter().chain(content.unlisted).filter(own) {
        let is_kept = part.state != Part::Writing && finished.contains_key(&part.number);
        if !is_kept {
            folder.path().join(&part.name).remove()?;
        }
    }
    Ok((earlier.memo()?, finished))
}

/// Removes the parts of the run and of those whose place it takes.
pub fn sweep(folder: &Folder, owner: &Owner) -> Result<()> {
    let content = folder.look()?;
    let own = |part: &PartName| match (&part.run, part.state) {
        // A visible part of a run that was done may be all that is left of a table whose manifest is
        // gone.
        (Some(run), Part::Complete) => *run == owner.run,
        (Some(run), _) => owner.owns(run),
        (None, _) => false,
    };
    for part in content.hidden.into_iter().chain(content.unlisted).filter(own) {
        folder.path().join(&part.name).remove()?;
    }
    Ok(())
}
