//! One HDF5 file of a table.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::sink::hdf5::columns::Column;
use crate::sink::hdf5::dataset::{Storage, library_error};
use crate::store::io_error;

/// Bytes of rows that are in memory while they are copied.
const COPIED_AT_ONCE: usize = 8 << 20;

/// An open file. Dropping it closes it; only [`close`](Self::close) tells whether that went well.
pub struct TableFile {
    path: PathBuf,
    // Declared before the file, as libhdf5 closes it with the last of its datasets.
    datasets: Vec<(Column, hdf5::Dataset)>,
    file: hdf5::File,
}

impl TableFile {
    /// Makes a file for `rows` rows.
    ///
    /// # Errors
    /// When the file system refuses, or another run writes the same file.
    pub fn create(path: PathBuf, columns: &[Column], rows: u64, storage: Storage) -> Result<Self> {
        let file = unlocked().create_excl(&path).map_err(|error| {
            let exists = path.exists();
            let error = library_error("create the file", &path, &error);
            if exists {
                error.help("another run writes to this folder; let it end first")
            } else {
                error
            }
        })?;
        let mut datasets = Vec::new();
        for column in columns {
            let dataset = column
                .create(&file, index(rows), storage)
                .map_err(|error| library_error("create a dataset", &path, &error))?;
            datasets.push((column.clone(), dataset));
        }
        Ok(TableFile { path, datasets, file })
    }

    /// Opens a file that has these columns, and no others.
    ///
    /// # Errors
    /// When it can't be opened, or has other columns.
    pub fn open(path: PathBuf, columns: &[Column], writable: bool) -> Result<Self> {
        let opened = if writable { unlocked().open_rw(&path) } else { hdf5::File::open(&path) };
        let unreadable = |error: hdf5::Error| {
            library_error("open the file", &path, &error)
                .help("make it readable, or use `mode: overwrite`, which replaces it")
        };
        let file = opened.map_err(unreadable)?;
        let mut there = file.member_names().map_err(unreadable)?;
        let mut wanted: Vec<_> = columns.iter().map(|column| column.dataset.clone()).collect();
        there.sort();
        wanted.sort();
        if there != wanted {
            return Err(differs(&path, &there.join(", "), &wanted.join(", ")));
        }
        let mut datasets = Vec::new();
        for column in columns {
            let dataset = file.dataset(&column.dataset).map_err(unreadable)?;
            let shape = dataset.get_shape().map_err(unreadable)?;
            let stored = dataset.dtype().and_then(|t| t.to_descriptor()).map_err(unreadable)?;
            let of_rows = shape.get(1..).unwrap_or_default();
            if stored != column.element.descriptor()
                || shape.is_empty()
                || !of_rows.iter().copied().eq(column.width)
            {
                let words = |kind: &hdf5::types::TypeDescriptor, lengths: Vec<usize>| {
                    let lengths = lengths.iter().map(|n| format!(", {n}")).collect::<String>();
                    format!("{} {kind} [rows{lengths}]", column.dataset)
                };
                let wanted =
                    words(&column.element.descriptor(), column.width.into_iter().collect());
                return Err(differs(&path, &words(&stored, of_rows.to_vec()), &wanted));
            }
            datasets.push((column.clone(), dataset));
        }
        let file = TableFile { path, datasets, file };
        file.rows()?;
        Ok(file)
    }

    /// Rows in each of the datasets.
    ///
    /// # Errors
    /// When they can't be read, or differ.
    pub fn rows(&self) -> Result<u64> {
        let mut rows = None;
        for (column, dataset) in &self.datasets {
            let shape = dataset
                .get_shape()
                .map_err(|error| library_error("read the header", &self.path, &error))?;
            let here = shape.first().map_or(0, |&rows| rows as u64);
            if *rows.get_or_insert(here) != here {
                return Err(Error::target(format!(
                    "The dataset `{}` has {here} rows, another one {}",
                    column.dataset,
                    rows.unwrap_or_default()
                ))
                .at(self.path.display()));
            }
        }
        Ok(rows.unwrap_or_default())
    }

    /// Writes `rows`, which keep the rules of the plan, from row `row` of the file on.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, row: u64, rows: &RecordBatch) -> Result<()> {
        for ((column, dataset), values) in self.datasets.iter().zip(rows.columns()) {
            column.write(dataset, index(row), values).map_err(|error| {
                library_error(&format!("write `{}`", column.dataset), &self.path, &error)
            })?;
        }
        Ok(())
    }

    /// Reads `rows` rows from row `row` on, one array for each column.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn read(&self, row: u64, rows: usize, schema: &SchemaRef) -> Result<RecordBatch> {
        let mut arrays = Vec::new();
        for ((column, dataset), field) in self.datasets.iter().zip(schema.fields()) {
            let array = column.read(dataset, (index(row), rows), field).map_err(|error| {
                library_error(&format!("read `{}`", column.dataset), &self.path, &error)
            })?;
            arrays.push(array);
        }
        RecordBatch::try_new(Arc::clone(schema), arrays)
            .map_err(|error| Error::internal("Columns of a file do not fit").because(error))
    }

    /// Copies `rows` rows of this file, from `row` on, into `to`, from `to_row` on. Within one file
    /// rows may only move towards its start.
    ///
    /// # Errors
    /// When they can't be read or written.
    pub fn copy(&self, row: u64, to: &TableFile, to_row: u64, rows: u64) -> Result<()> {
        let row_bytes: usize = self.datasets.iter().map(|(column, _)| column.row_bytes()).sum();
        let step = (COPIED_AT_ONCE / row_bytes.max(1)).max(1) as u64;
        for done in (0..rows).step_by(index(step)) {
            let (from, into) = (index(row + done), index(to_row + done));
            let count = index(step.min(rows - done));
            for ((column, source), (_, target)) in self.datasets.iter().zip(&to.datasets) {
                column.copy((source, from), (target, into), count).map_err(|error| {
                    library_error(&format!("copy rows of `{}`", column.dataset), &to.path, &error)
                })?;
            }
        }
        Ok(())
    }

    /// Sets the number of rows.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn resize(&self, rows: u64) -> Result<()> {
        self.datasets.iter().try_for_each(|(column, dataset)| {
            column
                .resize(dataset, index(rows))
                .map_err(|error| library_error("cut the file", &self.path, &error))
        })
    }

    /// Closes the file and makes it durable.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn close(self) -> Result<()> {
        let TableFile { path, datasets, file } = self;
        let failed = |error: hdf5::Error| library_error("write the file", &path, &error);
        file.flush().map_err(failed)?;
        drop(datasets);
        file.close().map_err(failed)?;
        fs::File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(|error| io_error("make the file durable", &path, error))
    }
}

/// Rows in a file, as its datasets' shapes tell.
///
/// # Errors
/// When it can't be opened, or has other columns.
pub fn count_rows(path: &Path, columns: &[Column]) -> Result<u64> {
    TableFile::open(path.to_owned(), columns, false)?.rows()
}

fn differs(path: &Path, there: &str, wanted: &str) -> Error {
    Error::target(format!("The file has {there}; the new rows have {wanted}"))
        .at(path.display())
        .help("use `mode: overwrite`, or transforms (`rename`, `cast`, `select`) that make them alike")
}

/// Only this run knows the files it writes. Without a lock they can be written where there are none,
/// and a process that is started meanwhile does not inherit it.
fn unlocked() -> hdf5::FileBuilder {
    #[cfg_attr(not(feature = "hdf5-static"), allow(unused_mut))]
    let mut builder = hdf5::File::with_options();
    // The oldest libraries of the system that are supported can't be told.
    #[cfg(feature = "hdf5-static")]
    builder.with_fapl(|access| access.file_locking(false));
    builder
}

/// A number of rows as libhdf5 takes it. On machines of 32 bits, no table is that long.
fn index(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}
