//! A partition's folder: what is in it, and what its files are called.
//!
//! A part has three names in its life, and each names the run that wrote it. While it is written it is
//! `.part-00007-<run>.parquet.tmp`. When its split is finished and durable it is
//! `.part-00007-<run>.parquet`. When the whole table is complete it becomes
//! `part-00007-<run>.parquet`. Readers of such folders pass over names with a leading dot, so an
//! unfinished table never looks like a whole one; and no run takes another one's part for its own.
//!
//! In a store a part has its last name from the beginning, and is there when its split is finished: it is
//! the manifest that tells whether it is of a complete table.

use std::collections::HashSet;

use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::reader::Length;

use crate::error::{Error, Result};
use crate::ownership::is_run_id;
use crate::sink::files::names;
use crate::sink::parquet::error::parquet_error;
use crate::sink::parquet::manifest::{Manifest, PartFile, Partition};
use crate::sink::parquet::sums::GroupSums;
use crate::store::Place;
use crate::table::Checksum;

/// A key of a file's footer: the run that wrote it.
pub const RUN: &str = "vecpipe.run";

/// Folder of rows that belong to no partition.
const DEFAULT_FOLDER: &str = "_default";

/// Where a table, or a partition of one, lies.
#[derive(Debug, Clone)]
pub struct Folder {
    /// The table's folder, which holds the manifest.
    pub table: Place,
    /// Name of the partition's folder within it.
    pub partition: String,
}

/// What a partition's folder holds now.
#[derive(Debug, Default)]
pub struct Content {
    /// The manifest's entry.
    pub listed: Option<Partition>,
    /// True when the table has a manifest, whether or not it lists this partition.
    pub has_manifest: bool,
    /// Parts that would count as the table's, but the manifest does not list them. (In a store all
    /// parts have such names; only those of this folder's manifest count there.)
    pub unlisted: Vec<PartName>,
    /// Parts of runs that did not complete, which nobody takes for the table's.
    pub hidden: Vec<PartName>,
    /// The first part number that no file uses.
    pub next_part: u64,
}

/// A part, by the name of its file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartName {
    /// The file's name.
    pub name: String,
    /// The part's number.
    pub number: u64,
    /// The run that wrote it; none for parts of earlier versions, which named none.
    pub run: Option<String>,
    /// How far it is.
    pub state: Part,
}

impl Folder {
    /// The folder of a collection and its partition below `dir`.
    ///
    /// # Errors
    /// When a name is too long for a file system.
    pub fn of(dir: &Place, collection: &str, partition: Option<&str>) -> Result<Self> {
        let partition = match partition {
            Some(name) => names::encode(name)?,
            None => DEFAULT_FOLDER.to_owned(),
        };
        Ok(Folder { table: dir.join(&names::encode(collection)?), partition })
    }

    /// The partition's folder.
    pub fn path(&self) -> Place {
        self.table.join(&self.partition)
    }

    /// Looks at the folder. Reads the manifest and file names, no rows.
    ///
    /// # Errors
    /// When it can't be read, or the manifest is damaged.
    pub fn look(&self) -> Result<Content> {
        let manifest = Manifest::read(&self.table)?;
        let has_manifest = manifest.is_some();
        let listed = manifest.and_then(|manifest| manifest.partition(&self.partition).cloned());
        let known: HashSet<&str> =
            listed.iter().flat_map(|p| &p.files).map(|file| file.name.as_str()).collect();
        let (mut unlisted, mut hidden, mut next_part) = (Vec::new(), Vec::new(), 0);
        let names = self.path().entries()?.into_iter();
        for part in names.filter_map(|entry| Part::parse(&entry.name)) {
            if part.state == Part::Complete {
                next_part = next_part.max(part.number.saturating_add(1));
            }
            match part.state {
                Part::Complete if known.contains(part.name.as_str()) => {}
                Part::Complete => unlisted.push(part),
                Part::Writing | Part::Finished => hidden.push(part),
            }
        }
        unlisted.sort();
        hidden.sort();
        Ok(Content { listed, has_manifest, unlisted, hidden, next_part })
    }

    /// What part `number` of a run is called while its table is not complete.
    pub fn finished(&self, number: u64, run: &str) -> String {
        match self.table.shows_unfinished() {
            true => Part::Finished.name(number, run),
            false => Part::Complete.name(number, run),
        }
    }

    /// True when parts that the manifest does not list say nothing about the table: in a store, where
    /// parts have their last names before it is complete.
    pub fn manifest_decides(&self) -> bool {
        !self.table.shows_unfinished()
    }
}

/// How far a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Being written.
    Writing,
    /// Whole and durable; its table is not complete.
    Finished,
    /// Part of a complete table.
    Complete,
}

impl Part {
    /// The file name of part `number` of a run.
    pub fn name(self, number: u64, run: &str) -> String {
        self.around(&format!("{number:05}-{run}"))
    }

    fn around(self, middle: &str) -> String {
        match self {
            Part::Writing => format!(".part-{middle}.parquet.tmp"),
            Part::Finished => format!(".part-{middle}.parquet"),
            Part::Complete => format!("part-{middle}.parquet"),
        }
    }

    /// Reads a file name; `None` when it is not a part's.
    pub fn parse(name: &str) -> Option<PartName> {
        [Part::Writing, Part::Finished, Part::Complete].into_iter().find_map(|state| {
            let frame = state.around("");
            let (start, end) = frame.split_at(frame.find(".parquet")?);
            let middle = name.strip_prefix(start)?.strip_suffix(end)?;
            let (digits, run) = match middle.split_once('-') {
                Some((digits, run)) => (digits, Some(run)),
                None => (middle, None),
            };
            let number = digits.parse().ok()?;
            let plain = format!("{number:05}") == digits && run.is_none_or(is_run_id);
            let run = run.map(str::to_owned);
            plain.then(|| PartName { name: name.to_owned(), number, run, state })
        })
    }
}

/// What a file's footer says.
pub struct Footer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Rows.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The checksum of all rows.
    pub checksum: Option<Checksum>,
    /// The run that wrote it.
    pub run: Option<String>,
}

/// Reads a file's footer.
///
/// # Errors
/// When it is missing or not a whole Parquet file.
pub fn footer(path: &Place) -> Result<Footer> {
    let file = path.open()?;
    let footer = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|error| {
        file.failure().unwrap_or_else(|| parquet_error("read the footer", path, error))
    })?;
    let rows = u64::try_from(footer.metadata().file_metadata().num_rows())
        .map_err(|_| Error::target("The footer states a negative number of rows").at(path))?;
    let sums = GroupSums::of(footer.metadata()).map_err(|error| error.at(path))?;
    let checksum = sums.map(|sums| sums.total());
    let notes = footer.metadata().file_metadata().key_value_metadata();
    let run = notes.and_then(|notes| notes.iter().find(|note| note.key == RUN));
    let run = run.and_then(|note| note.value.clone());
    Ok(Footer { schema: footer.schema().clone(), rows, bytes: file.len(), checksum, run })
}

/// Rows in all these files, as their footers count them.
///
/// # Errors
/// When a file is missing or damaged.
pub fn count_rows(folder: &Place, files: &[PartFile]) -> Result<u64> {
    files.iter().try_fold(0u64, |sum, file| {
        let footer = footer(&folder.join(&file.name))?;
        Ok(sum.saturating_add(footer.rows))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_names_are_read_back_and_nothing_else_is_ours() {
        let run = "0123456789abcdef";
        for state in [Part::Writing, Part::Finished, Part::Complete] {
            for number in [0, 7, 99_999, 1_234_567] {
                let (name, old) = (state.name(number, run), state.around(&format!("{number:05}")));
                let part = Part::parse(&name).unwrap();
                assert_eq!(
                    (part.number, part.run.as_deref(), part.state),
                    (number, Some(run), state)
                );
                let part = Part::parse(&old).unwrap();
                assert_eq!((part.number, part.run, part.state), (number, None, state));
            }
        }
        for foreign in [
            "part-0.parquet",
            "part-00000.parquet.gz",
            "data.parquet",
            "part-x.parquet",
            "part-00000-c000.parquet",
            "part-00000-0123456789abcdef.snappy.parquet",
            "part-00000-.parquet",
        ] {
            assert_eq!(Part::parse(foreign), None, "{foreign}");
        }
    }
}
