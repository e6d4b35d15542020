//! A partition's folder: what is in it, and what its files are called.
//!
//! A part has three names in its life. While it is written it is `.part-00007.parquet.tmp`. When
//! its split is finished and durable it is `.part-00007.parquet`. When the whole table is complete
//! it becomes `part-00007.parquet`. Readers of such folders pass over names with a leading dot, so
//! an unfinished table never looks like a whole one.
//!
//! In a store a part has its last name from the beginning, and is there when its split is finished: it is
//! the manifest that tells whether it is of a complete table.

use std::collections::HashSet;

use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::reader::Length;

use crate::error::{Error, Result};
use crate::sink::files::names;
use crate::sink::parquet::error::parquet_error;
use crate::sink::parquet::manifest::{Manifest, Partition};
use crate::sink::parquet::sums::GroupSums;
use crate::store::Place;
use crate::table::Checksum;

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
    /// Visible parts that the manifest does not list.
    pub unlisted: Vec<String>,
    /// Parts of a run that did not complete, which nobody takes for the table's.
    pub stale: Vec<String>,
    /// The first part number that no file uses.
    pub next_part: u64,
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
        let tells_all = manifest.is_some() && !self.table.shows_unfinished();
        let listed = manifest.and_then(|manifest| manifest.partition(&self.partition).cloned());
        let known: HashSet<&str> =
            listed.iter().flat_map(|p| &p.files).map(|file| file.name.as_str()).collect();
        let (mut unlisted, mut stale, mut next_part) = (Vec::new(), Vec::new(), 0);
        for name in self.path().entries()?.into_iter().map(|entry| entry.name) {
            match Part::parse(&name) {
                Some((number, Part::Complete)) => {
                    next_part = next_part.max(number.saturating_add(1));
                    match known.contains(name.as_str()) {
                        true => {}
                        false if tells_all => stale.push(name),
                        false => unlisted.push(name),
                    }
                }
                Some(_) => stale.push(name),
                None => {}
            }
        }
        unlisted.sort();
        Ok(Content { listed, unlisted, stale, next_part })
    }

    /// What part `number` is called while its table is not complete.
    pub fn finished(&self, number: u64) -> String {
        match self.table.shows_unfinished() {
            true => Part::Finished.name(number),
            false => Part::Complete.name(number),
        }
    }
}

/// How far a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Being written.
    Writing,
    /// Whole and durable; its table is not complete.
    Finished,
    /// Part of a complete table.
    Complete,
}

impl Part {
    /// The file name of part `number`.
    pub fn name(self, number: u64) -> String {
        match self {
            Part::Writing => format!(".part-{number:05}.parquet.tmp"),
            Part::Finished => format!(".part-{number:05}.parquet"),
            Part::Complete => format!("part-{number:05}.parquet"),
        }
    }

    /// Reads a file name; `None` when it is not a part's.
    pub fn parse(name: &str) -> Option<(u64, Part)> {
        let digits: String = name
            .chars()
            .skip_while(|c| !c.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        let number = digits.parse().ok()?;
        [Part::Writing, Part::Finished, Part::Complete]
            .into_iter()
            .find(|part| part.name(number) == name)
            .map(|part| (number, part))
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
    Ok(Footer { schema: footer.schema().clone(), rows, bytes: file.len(), checksum })
}

/// Rows in all files that the manifest lists for a partition, as their footers count them.
///
/// # Errors
/// When a file is missing or damaged.
pub fn count_rows(folder: &Place, partition: &Partition) -> Result<u64> {
    partition.files.iter().try_fold(0u64, |sum, file| {
        let footer = footer(&folder.join(&file.name))?;
        Ok(sum.saturating_add(footer.rows))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_names_are_read_back_and_nothing_else_is_ours() {
        for part in [Part::Writing, Part::Finished, Part::Complete] {
            for number in [0, 7, 99_999, 1_234_567] {
                assert_eq!(Part::parse(&part.name(number)), Some((number, part)));
            }
        }
        for foreign in ["part-0.parquet", "part-00000.parquet.gz", "data.parquet", "part-x.parquet"]
        {
            assert_eq!(Part::parse(foreign), None, "{foreign}");
        }
    }
}
