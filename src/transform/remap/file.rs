//! The Parquet file of old and new ids. It has another name while it is written, so that the file
//! of a run that failed does not look whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};

/// Rows of a row group: what waits in memory, some megabytes.
const GROUP_ROWS: usize = 1 << 18;

/// A file of old ids, new ids and source tables, which the batches of all tables add to.
#[derive(Debug, Default)]
pub(super) struct IdFile(Mutex<State>);

#[derive(Default)]
struct State {
    path: PathBuf,
    /// Its columns, once a table is planned.
    schema: Option<SchemaRef>,
    /// There once a row has come.
    writer: Option<ArrowWriter<File>>,
}

impl IdFile {
    /// Notes where the file will be and what type old ids have; touches nothing.
    pub(super) fn expect(&self, path: &Path, old_id: &DataType) -> Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let schema = Schema::new(vec![
            Field::new("old_id", old_id.clone(), false),
            Field::new("new_id", DataType::Int64, false),
            Field::new("table", DataType::Utf8, false),
        ]);
        match &state.schema {
            Some(other) if **other != schema => {
                return Err(Error::config(
                    "Text ids and integer ids can't share one file of old and new ids",
                )
                .at(path.display())
                .help("move the tables with text ids in a run of their own"));
            }
            Some(_) => return Ok(()),
            None => {}
        }
        if path.exists() {
            return Err(Error::config("The file of old and new ids is there already")
                .at(path.display())
                .help("it may be all that tells what ids of an earlier run were: move it away, or name another with `file`"));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Error::config("There is no folder for the file of old and new ids")
                .at(folder.display())
                .help("make it, or name another `file`"));
        }
        *state = State { path: path.to_owned(), schema: Some(Arc::new(schema)), writer: None };
        Ok(())
    }

    /// Adds the rows of one batch.
    pub(super) fn add(&self, table: &str, old: &ArrayRef, new: &ArrayRef) -> Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(schema) = state.schema.clone() else {
            return Err(Error::internal("Ids were remapped before that was planned"));
        };
        if old.is_empty() {
            return Ok(());
        }
        let tables = StringArray::from_iter_values(std::iter::repeat_n(table, old.len()));
        let columns: Vec<ArrayRef> = vec![Arc::clone(old), Arc::clone(new), Arc::new(tables)];
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns)
            .map_err(|error| Error::internal("Ids do not fit their file").because(error))?;
        if state.writer.is_none() {
            state.writer = Some(state.open(schema)?);
        }
        let written = state.writer.as_mut().map_or(Ok(()), |writer| writer.write(&rows));
        written.map_err(|error| state.failed("write", error))
    }

    /// Gives the file its name. Without a row there is none.
    pub(super) fn finish(&self) -> Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writer) = state.writer.take() else { return Ok(()) };
        let file = writer.into_inner().map_err(|error| state.failed("complete", error))?;
        file.sync_all()
            .and_then(|()| fs::rename(state.draft(), &state.path))
            .map_err(|error: io::Error| state.failed("complete", error))
    }
}

impl State {
    fn open(&self, schema: SchemaRef) -> Result<ArrowWriter<File>> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let file = File::create(self.draft()).map_err(|error| self.failed("make", error))?;
        ArrowWriter::try_new(file, schema, Some(properties))
            .map_err(|error| self.failed("make", error))
    }

    /// The file's name while it is written.
    fn draft(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        self.path.with_file_name(name)
    }

    fn failed(
        &self,
        doing: &str,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        Error::target(format!("Cannot {doing} the file of old and new ids"))
            .because(error)
            .at(self.draft().display())
            .help("name a `file` in a folder that exists, can be written to and has room")
    }
}

impl Drop for State {
    /// After a run that failed, what is there can at least be read, under the other name.
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            let _ = writer.close();
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("path", &self.path).finish_non_exhaustive()
    }
}
