//! The rows that `dedupe` leaves out, split by split.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

use roaring::RoaringTreemap;

use super::folder::{Folder, disk};
use crate::error::{Error, Result};
use crate::flow::plan::TargetSplit;
use crate::private;

/// The rows of one split that are left out.
#[derive(Debug, Clone, Default)]
pub struct SplitLeftOut {
    /// Rows that are left out of the splits before it.
    pub before: u64,
    /// Rows of this split, counted from its start.
    pub rows: Arc<RoaringTreemap>,
}

/// The rows of a target's splits that are left out: compressed bitmaps in one file, each read when
/// its split is opened. There is no second form for few rows in memory: the file is as small as
/// they are few, and a target without any has none.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// In the order of the target's splits.
    splits: Vec<Found>,
    file: Option<(PathBuf, Arc<Folder>)>,
    rows: u64,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    /// Rows left out before this split.
    before: u64,
    /// Place of its bitmap in the file.
    at: u64,
    bytes: u64,
}

impl LeftOut {
    /// Writes down which rows are left out, given by their positions in the target, ascending.
    ///
    /// # Errors
    /// When the disk refuses, or a position can't be read.
    pub fn write(
        folder: Arc<Folder>,
        splits: &[TargetSplit],
        positions: impl Iterator<Item = Result<u64>>,
    ) -> Result<LeftOut> {
        let path = folder.new_file()?;
        let failed = |error| disk("write", &path, error);
        let mut out = BufWriter::new(private::create_new(&path).map_err(failed)?);
        let mut all = LeftOut::default();
        let mut positions = positions.peekable();
        let mut at = 0;
        for split in splits {
            let end = split.first_row + split.rows;
            let mut rows = RoaringTreemap::new();
            while let Some(next) = positions.next_if(|p| p.as_ref().map_or(true, |p| *p < end)) {
                rows.insert(next?.saturating_sub(split.first_row));
            }
            rows.optimize();
            let bytes = if rows.is_empty() { 0 } else { rows.serialized_size() as u64 };
            if bytes > 0 {
                rows.serialize_into(&mut out).map_err(failed)?;
            }
            all.splits.push(Found { before: all.rows, at, bytes });
            all.rows += rows.len();
            at += bytes;
        }
        out.flush().map_err(failed)?;
        all.file = Some((path, folder));
        Ok(all)
    }

    /// How many rows are left out of all splits.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The rows of the target's split number `index`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn of_split(&self, index: usize) -> Result<SplitLeftOut> {
        let (Some(found), Some((path, _))) = (self.splits.get(index), &self.file) else {
            return Ok(SplitLeftOut::default());
        };
        let before = found.before;
        if found.bytes == 0 {
            return Ok(SplitLeftOut { before, ..SplitLeftOut::default() });
        }
        let read = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(found.at))?;
            RoaringTreemap::deserialize_from(BufReader::new(file).take(found.bytes))
        };
        let rows = read().map_err(|error| disk("read", path, error))?;
        Ok(SplitLeftOut { before, rows: Arc::new(rows) })
    }
}

/// The ids of a target were not looked at, although a transform needs that.
pub fn not_surveyed() -> Error {
    Error::internal("`dedupe` needs the survey of ids, which was left out")
}
