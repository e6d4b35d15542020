//! One file on its way: written under a temporary name, removed when it is abandoned.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::sink::files::disk::{io_error, sync_folder};
use crate::sink::parquet::error::parquet_error;
use crate::sink::parquet::folder::Part;
use crate::sink::parquet::manifest::PartFile;
use crate::sink::parquet::sums::GroupSums;
use crate::table::{RowHasher, TableSchema};

/// Removes a file that is given up.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; and nobody is left to hear of a failure.
        let _ = fs::remove_file(&self.0);
    }
}

/// The blocking writer of one part.
pub struct PartWriter {
    number: u64,
    folder: PathBuf,
    // Declared before the guard, so that the file is closed before it is removed.
    writer: ArrowWriter<File>,
    temporary: Temporary,
    hasher: RowHasher,
    /// None for columns that no checksum is defined for.
    sums: Option<GroupSums>,
}

/// A part that is whole and durable, still under its hidden name.
#[derive(Debug, Clone)]
pub struct FinishedPart {
    /// Its number.
    pub number: u64,
    /// Its future entry in the manifest.
    pub file: PartFile,
}

impl PartWriter {
    /// Creates the file of part `number`.
    ///
    /// # Errors
    /// When the file system refuses, or another run writes the same part.
    pub fn create(
        folder: &Path,
        number: u64,
        schema: &TableSchema,
        properties: WriterProperties,
    ) -> Result<Self> {
        let path = folder.join(Part::Writing.name(number));
        let file = File::options().write(true).create_new(true).open(&path).map_err(|error| {
            let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
            let error = io_error("create the part", &path, error);
            if exists {
                error.help("another run writes to this folder; let it end first")
            } else {
                error
            }
        })?;
        let temporary = Temporary(path.clone());
        let writer = ArrowWriter::try_new(file, schema.arrow().clone(), Some(properties))
            .map_err(|error| parquet_error("start the part", &path, error))?;
        Ok(PartWriter {
            number,
            folder: folder.to_owned(),
            writer,
            temporary,
            hasher: RowHasher::new(schema),
            sums: Some(GroupSums::default()),
        })
    }

    /// Writes `rows` as one row group, so that nothing of them stays in memory.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        match (&mut self.sums, self.hasher.sum(rows)) {
            (Some(sums), Ok(sum)) => sums.0.push(sum),
            _ => self.sums = None,
        }
        self.writer
            .write(rows)
            .and_then(|()| self.writer.flush())
            .map_err(|error| parquet_error("write the part", &self.temporary.0, error))
    }

    /// Ends the file, makes it durable, and gives it its hidden finished name.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn finish(mut self) -> Result<FinishedPart> {
        let path = self.temporary.0.clone();
        if let Some(sums) = &self.sums {
            self.writer.append_key_value_metadata(sums.note());
        }
        let footer =
            self.writer.finish().map_err(|error| parquet_error("end the part", &path, error))?;
        let rows = u64::try_from(footer.file_metadata().num_rows())
            .map_err(|_| Error::internal("A part was written with a negative number of rows"))?;
        let file = self.writer.inner();
        let durable = file.sync_all().and_then(|()| file.metadata());
        let bytes = durable.map_err(|error| io_error("make the part durable", &path, error))?.len();
        let finished = self.folder.join(Part::Finished.name(self.number));
        fs::rename(&path, &finished)
            .map_err(|error| io_error("rename the finished part", &path, error))?;
        sync_folder(&self.folder)?;
        let name = Part::Complete.name(self.number);
        let checksum = self.sums.map(|sums| sums.total());
        Ok(FinishedPart { number: self.number, file: PartFile { name, rows, bytes, checksum } })
    }
}
