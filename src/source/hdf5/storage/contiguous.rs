//! Rows that lie one after the other in the file.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};
use crate::source::scatter;

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
            _ => Err(scatter::ends_early(size, offset.saturating_add(bytes))),
        }
    }

    /// Appends `bytes` bytes, `skip` bytes behind the start.
    ///
    /// # Errors
    /// When the file ends early or can't be read.
    pub fn append(&self, skip: u64, bytes: usize, out: &mut Vec<u8>) -> Result<()> {
        scatter::append(&self.file, self.offset.saturating_add(skip), bytes, out)
    }
}
