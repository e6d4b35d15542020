//! The Parquet file of old and new ids. It is put together, in one step, when all rows have moved:
//! till then each split has a file of its own, in a folder beside it, so that a run that goes on with
//! an interrupted one has the ids of all splits that were finished.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use twox_hash::XxHash3_128;

use crate::error::{Error, Result};
use crate::private;
use crate::table::Place;
use crate::words::count;

/// Rows of a row group, which wait in memory for each split: some megabytes.
const GROUP_ROWS: usize = 1 << 18;

/// A file of old ids, new ids and source tables, which the batches of all tables add to.
#[derive(Debug, Default)]
pub(super) struct IdFile(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    path: PathBuf,
    /// Its columns, once a table is planned.
    schema: Option<SchemaRef>,
    /// True when an interrupted run's splits are kept.
    resumed: bool,
    /// True once the folder of this run's splits is there.
    begun: bool,
    /// Splits that are being written.
    open: HashMap<PathBuf, Arc<Mutex<Part>>>,
}

/// The ids of one split.
#[derive(Debug)]
struct Part(ArrowWriter<File>);

impl IdFile {
    /// Keeps what an interrupted run wrote.
    pub(super) fn resume(&self) {
        self.state().resumed = true;
    }

    /// Notes where the file will be and what type old ids have; touches nothing.
    pub(super) fn expect(&self, path: &Path, old_id: &DataType) -> Result<()> {
        let mut state = self.state();
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
        // An interrupted run may have come as far as this.
        if path.exists() && !state.resumed {
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
        path.clone_into(&mut state.path);
        state.schema = Some(Arc::new(schema));
        Ok(())
    }

    /// Adds the rows of one batch.
    pub(super) fn add(&self, place: &Place, old: &ArrayRef, new: &ArrayRef) -> Result<()> {
        if old.is_empty() {
            return Ok(());
        }
        let (part, schema) = self.state().part(place)?;
        let tables = std::iter::repeat_n(&*place.table, old.len());
        let tables = StringArray::from_iter_values(tables);
        let columns: Vec<ArrayRef> = vec![Arc::clone(old), Arc::clone(new), Arc::new(tables)];
        let rows = RecordBatch::try_new(schema, columns)
            .map_err(|error| Error::internal("Ids do not fit their file").because(error))?;
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        part.0.write(&rows).map_err(|error| self.state().failed("write", error))
    }

    /// Makes the ids of a split durable.
    pub(super) fn finish_split(&self, place: &Place) -> Result<()> {
        let mut state = self.state();
        let path = state.part_path(place);
        let Some(part) = state.open.remove(&path).and_then(Arc::into_inner) else { return Ok(()) };
        drop(state);
        let Part(writer) = part.into_inner().unwrap_or_else(PoisonError::into_inner);
        let failed =
            |error: Box<dyn std::error::Error + Send + Sync>| self.state().failed("write", error);
        let file = writer.into_inner().map_err(|error| failed(error.into()))?;
        file.sync_all()
            .and_then(|()| private::rename(&unfinished(&path), &path))
            .map_err(|error| failed(error.into()))
    }

    /// Puts the file together and gives it its name. `rows` must be in it; without a row there is
    /// none.
    pub(super) fn finish(&self, rows: u64) -> Result<()> {
        let state = self.state();
        let folder = state.folder();
        if (rows > 0 || state.begun) && !(state.resumed && state.path.exists()) {
            let there = state.put_together().map_err(|error| state.failed("complete", error))?;
            if there != rows {
                return Err(Error::differ(format!(
                    "{} rows were given new ids, but the file of old and new ids would have {}",
                    count(rows),
                    count(there)
                ))
                .at(folder.display())
                .help("something else changed the files there; begin anew with --restart"));
            }
            let (from, to) = (folder.join(WHOLE), &state.path);
            private::rename(&from, to).map_err(|error| state.failed("complete", error))?;
        }
        match fs::remove_dir_all(&folder) {
            Err(error) if folder.exists() => Err(state.failed("tidy up behind", error)),
            _ => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name of the file while it is put together.
const WHOLE: &str = "whole.tmp";
/// What the names of finished splits end in.
const FINISHED: &str = "parquet";

impl State {
    /// The part of the split that `place` lies in, made with its first row.
    fn part(&mut self, place: &Place) -> Result<(Arc<Mutex<Part>>, SchemaRef)> {
        let Some(schema) = self.schema.clone() else {
            return Err(Error::internal("Ids were remapped before that was planned"));
        };
        let path = self.part_path(place);
        if let Some(part) = self.open.get(&path) {
            return Ok((Arc::clone(part), schema));
        }
        if !self.begun {
            self.begin().map_err(|error| self.failed("make", error))?;
        }
        let file =
            private::create(&unfinished(&path)).map_err(|error| self.failed("make", error))?;
        let writer = writer(file, &schema).map_err(|error| self.failed("make", error))?;
        let part = Arc::new(Mutex::new(Part(writer)));
        self.open.insert(path, Arc::clone(&part));
        Ok((part, schema))
    }

    fn begin(&mut self) -> std::io::Result<()> {
        let folder = self.folder();
        if !self.resumed && folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        private::folder(&folder)?;
        self.begun = true;
        Ok(())
    }

    /// All finished splits in one durable file; gives its rows. They come by table, and within one
    /// in source order.
    fn put_together(&self) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        let folder = self.folder();
        let entries = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path()));
        let mut parts = entries.collect::<std::io::Result<Vec<_>>>()?;
        parts.retain(|path| path.extension().is_some_and(|end| end == FINISHED));
        parts.sort();
        let schema = self.schema.clone().ok_or("nothing was planned")?;
        let mut whole = writer(private::create(&folder.join(WHOLE))?, &schema)?;
        let mut rows = 0;
        for part in parts {
            for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(part)?)?.build()? {
                let batch = batch?;
                rows += batch.num_rows() as u64;
                whole.write(&batch)?;
            }
        }
        whole.into_inner()?.sync_all()?;
        Ok(rows)
    }

    /// The folder of the splits' files.
    fn folder(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        self.path.with_file_name(name)
    }

    /// The file of a split, in a form that sorts as its rows do. Names of tables may be anything.
    fn part_path(&self, place: &Place) -> PathBuf {
        let table = XxHash3_128::oneshot(place.table.as_bytes());
        self.folder().join(format!("{table:032x}-{:010}.{FINISHED}", place.split))
    }

    fn failed(
        &self,
        doing: &str,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        Error::target(format!("Cannot {doing} the file of old and new ids"))
            .because(error)
            .at(self.folder().display())
            .help("name a `file` in a folder that exists, can be written to and has room")
    }
}

impl Drop for State {
    /// After a run that failed, what is there can at least be read.
    fn drop(&mut self) {
        for part in self.open.drain().filter_map(|(_, part)| Arc::into_inner(part)) {
            let Part(writer) = part.into_inner().unwrap_or_else(PoisonError::into_inner);
            let _ = writer.close();
        }
    }
}

fn writer(file: File, schema: &SchemaRef) -> parquet::errors::Result<ArrowWriter<File>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))
}

/// A split's file while it is written.
fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}
