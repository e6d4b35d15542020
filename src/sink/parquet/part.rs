//! One file on its way, of which nothing stays when it is abandoned.

use std::mem;

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::sink::parquet::error::parquet_error;
use crate::sink::parquet::folder::{Folder, Part, RUN};
use crate::sink::parquet::manifest::PartFile;
use crate::sink::parquet::sums::GroupSums;
use crate::store::{NewFile, Place};
use crate::table::{RowHasher, TableSchema};

/// The blocking writer of one part.
pub struct PartWriter {
    number: u64,
    /// Its name when the table is complete.
    name: String,
    place: Place,
    writer: ArrowWriter<NewFile>,
    hasher: RowHasher,
    /// None for columns that no checksum is defined for.
    sums: Option<GroupSums>,
}

/// A part that is whole and durable, of a table that is not complete.
#[derive(Debug, Clone)]
pub struct FinishedPart {
    /// Its number.
    pub number: u64,
    /// Its future entry in the manifest.
    pub file: PartFile,
}

impl PartWriter {
    /// Creates the file of part `number` of a run.
    ///
    /// # Errors
    /// When the file system refuses, or another run writes the same part.
    pub fn create(
        folder: &Folder,
        (number, run): (u64, &str),
        schema: &TableSchema,
        properties: WriterProperties,
    ) -> Result<Self> {
        let (hidden, name) = (Part::Writing.name(number, run), folder.finished(number, run));
        let file = folder.path().create(&hidden, &name)?;
        let place = folder.path().join(&name);
        let mut writer = ArrowWriter::try_new(file, schema.arrow().clone(), Some(properties))
            .map_err(|error| parquet_error("start the part", &place, error))?;
        writer.append_key_value_metadata(KeyValue::new(RUN.to_owned(), run.to_owned()));
        Ok(PartWriter {
            number,
            name: Part::Complete.name(number, run),
            place,
            writer,
            hasher: RowHasher::new(schema),
            sums: Some(GroupSums::default()),
        })
    }

    /// Writes `rows` as one row group, so that nothing of them stays in memory.
    ///
    /// # Errors
    /// When the file system or the store refuses.
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
            .map_err(|error| parquet_error("write the part", &self.place, error))
    }

    /// Ends the file and makes it durable, under the name of a finished part.
    ///
    /// # Errors
    /// When the file system or the store refuses.
    pub fn finish(mut self) -> Result<FinishedPart> {
        if let Some(sums) = &self.sums {
            self.writer.append_key_value_metadata(sums.note());
        }
        let footer = self
            .writer
            .finish()
            .map_err(|error| parquet_error("end the part", &self.place, error))?;
        let rows = u64::try_from(footer.file_metadata().num_rows())
            .map_err(|_| Error::internal("A part was written with a negative number of rows"))?;
        let bytes = self.writer.inner_mut().finish()?;
        let name = mem::take(&mut self.name);
        let checksum = self.sums.as_ref().map(GroupSums::total);
        Ok(FinishedPart { number: self.number, file: PartFile { name, rows, bytes, checksum } })
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        self.writer.inner_mut().give_up();
    }
}
