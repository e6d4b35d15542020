//! A segment's files: vectors (`.rv`), ids (`.uid`) and the rows that were deleted (`deleted_docs`).
//! Each begins with the number of bytes that follow.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::source::files::{Stamp, name};
use crate::source::map::FileMap;

/// Bytes before the values of each file.
pub const HEADER: usize = 8;

/// Where a segment's files are, and what they were when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFiles {
    /// The segment's folder.
    pub folder: PathBuf,
    /// Its name, and that of its files.
    pub id: String,
    vectors: Stamp,
    ids: Stamp,
    deleted: Stamp,
}

/// A segment that was looked at.
#[derive(Debug)]
pub struct Segment {
    /// Its files.
    pub files: SegmentFiles,
    /// Rows in the files, deleted ones too.
    pub rows: u32,
    /// Rows that were deleted.
    pub deleted: RoaringBitmap,
}

impl SegmentFiles {
    /// The segment `id` in `folder`.
    ///
    /// # Errors
    /// When a file is missing.
    pub fn find(folder: PathBuf, id: &str) -> Result<SegmentFiles> {
        let stamp = |path: PathBuf| Stamp::of(&path).map_err(|error| error.at(name(&path)));
        let vectors = stamp(folder.join(format!("{id}.rv")))?;
        let ids = stamp(folder.join(format!("{id}.uid")))?;
        // Without it, rows that were deleted would come back.
        let deleted = stamp(folder.join(DELETED)).map_err(|error| {
            error.help("a server writes this file for each segment, 8 zero bytes where no row was deleted: copy it along")
        })?;
        Ok(SegmentFiles { folder, id: id.to_owned(), vectors, ids, deleted })
    }

    /// The files.
    pub fn paths(&self) -> [PathBuf; 3] {
        [self.vectors_path(), self.ids_path(), self.folder.join(DELETED)]
    }

    fn vectors_path(&self) -> PathBuf {
        self.folder.join(format!("{}.rv", self.id))
    }

    fn ids_path(&self) -> PathBuf {
        self.folder.join(format!("{}.uid", self.id))
    }

    /// Checks that the files are still those that were planned.
    ///
    /// # Errors
    /// When one is not.
    pub fn check(&self) -> Result<()> {
        let at = |path: PathBuf| move |error: Error| error.at(name(&path));
        self.vectors.check(&self.vectors_path()).map_err(at(self.vectors_path()))?;
        self.ids.check(&self.ids_path()).map_err(at(self.ids_path()))?;
        let deleted = self.folder.join(DELETED);
        self.deleted.check(&deleted).map_err(at(deleted))
    }
}

const DELETED: &str = "deleted_docs";

impl Segment {
    /// Looks at the files of a segment whose vectors have `row_bytes` bytes. Reads the deleted
    /// rows, and of the others the headers.
    ///
    /// # Errors
    /// When the files are damaged, or don't fit each other.
    pub fn look(files: SegmentFiles, row_bytes: usize) -> Result<Segment> {
        let rows = rows_of(&files.vectors_path(), files.vectors.size, row_bytes)?;
        let ids = rows_of(&files.ids_path(), files.ids.size, size_of::<i64>())?;
        if rows != ids {
            return Err(Error::source(format!(
                "The segment has {rows} vectors and {ids} ids"
            ))
            .at(name(&files.folder))
            .help("its files are damaged, or of another dimension than the metadata says; copy them again"));
        }
        let Ok(rows) = u32::try_from(rows) else {
            return Err(Error::source(format!("The segment has {rows} rows"))
                .at(name(&files.folder))
                .help("no old server makes segments of more than four billion rows: the metadata or the file is damaged"));
        };
        let deleted = deleted_rows(&files.folder.join(DELETED), files.deleted.size, rows)?;
        Ok(Segment { files, rows, deleted })
    }

    /// Rows that were not deleted.
    pub fn alive(&self) -> u64 {
        u64::from(self.rows) - self.deleted.len()
    }

    /// Opens the file of the vectors.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn open_vectors(&self) -> Result<File> {
        open(&self.files.vectors_path())
    }

    /// Opens the file of the ids.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn open_ids(&self) -> Result<File> {
        open(&self.files.ids_path())
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path)
        .map_err(|error| Error::source("Cannot open the file").because(error).at(name(path)))
}

fn map(path: &Path) -> Result<Arc<FileMap>> {
    FileMap::of(open(path)?)
        .map_err(|error| Error::source("Cannot map the file").because(error).at(name(path)))
}

/// Rows of a file of values of `width` bytes, from its header, which must agree with its size.
fn rows_of(path: &Path, size: u64, width: usize) -> Result<u64> {
    let mut header = [0; HEADER];
    let read = open(path)?.read_exact(&mut header);
    let stated = u64::from_le_bytes(header);
    let held = size.saturating_sub(HEADER as u64);
    if read.is_err() || stated != held {
        let what = match read {
            Err(_) => format!("The file has {size} bytes, too few for a header"),
            Ok(()) => format!("The file says that it holds {stated} bytes, but holds {held}"),
        };
        return Err(Error::source(what)
            .at(name(path))
            .help("the file is cut off or damaged; copy it again, from the stopped server"));
    }
    if !held.is_multiple_of(width as u64) {
        return Err(Error::source(format!("{held} bytes are no whole rows of {width} bytes"))
            .at(name(path))
            .help("the file is damaged, or of another dimension than the metadata says"));
    }
    Ok(held / width as u64)
}

/// The set of rows that were deleted; the file may name a row more than once.
fn deleted_rows(path: &Path, size: u64, rows: u32) -> Result<RoaringBitmap> {
    let count = rows_of(path, size, size_of::<u32>())?;
    let map = map(path)?;
    let mut deleted = RoaringBitmap::new();
    for (n, bytes) in map.bytes()[HEADER..].as_chunks().0.iter().enumerate() {
        let row = u32::from_le_bytes(*bytes);
        if row >= rows {
            return Err(Error::source(format!(
                "Entry {n} of {count} says that row {} is deleted, but the segment has {rows} rows",
                row.cast_signed()
            ))
            .at(name(path))
            .help("the segment's files are damaged, or not of the same time; copy them again"));
        }
        deleted.insert(row);
    }
    if !map.is_intact() {
        return Err(Error::source("The file was cut off while it was read").at(name(path)));
    }
    Ok(deleted)
}
