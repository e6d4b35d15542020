//! Rows that lie one after the other in the file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, Result};

/// A run of bytes of a file, and a file handle of its own to read it with.
#[derive(Debug)]
pub struct Contiguous {
    file: File,
    /// Position in the file of the first row.
    offset: u64,
}

impl Contiguous {
    /// The `bytes` bytes that start at `offset`.
    ///
    /// # Errors
    /// When the file can't be opened or is shorter.
    pub fn open(path: &Path, offset: u64, bytes: u64) -> Result<Contiguous> {
        let unreadable = |error| Error::source("Cannot open the file").because(error);
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        match offset.checked_add(bytes) {
            Some(end) if end <= size => Ok(Contiguous { file, offset }),
            _ => Err(ends_early(size, offset.saturating_add(bytes))),
        }
    }

    /// Appends `bytes` bytes, `skip` bytes behind the start.
    ///
    /// # Errors
    /// When the file ends early or can't be read.
    pub fn append(&mut self, skip: u64, bytes: usize, out: &mut Vec<u8>) -> Result<()> {
        append_at(&mut self.file, self.offset.saturating_add(skip), bytes, out)
    }
}

/// Appends the `bytes` bytes of `file` that start at `offset`.
pub fn append_at(file: &mut File, offset: u64, bytes: usize, out: &mut Vec<u8>) -> Result<()> {
    let unreadable = |error| Error::source("Cannot read the file").because(error);
    file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
    // `read_to_end` fills the spare capacity without zeroing it first, unlike `read_exact_at`
    // into a fresh buffer: a quarter of the time of a read from the page cache.
    let read = file.take(bytes as u64).read_to_end(out).map_err(unreadable)?;
    if read < bytes {
        let end = offset.saturating_add(bytes as u64);
        return Err(ends_early(offset.saturating_add(read as u64), end));
    }
    Ok(())
}

fn ends_early(size: u64, end: u64) -> Error {
    Error::source(format!("The file ends at byte {size}, but the data go on to byte {end}"))
        .help("the file is damaged or still being written; copy it again")
}
