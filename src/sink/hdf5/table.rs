//! An open table: every split writes at its own rows, so that rows end up in source order; its
//! completion closes the gaps and puts the files in place.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::flow::{Batch, blocking};
use crate::sink::hdf5::columns::Column;
use crate::sink::hdf5::file::count_rows;
use crate::sink::hdf5::h2m;
use crate::sink::hdf5::names::Names;
use crate::sink::hdf5::pieces::Pieces;
use crate::sink::hdf5::place::{self, Unfinished};
use crate::sink::hdf5::resume::Memo;
use crate::sink::{Completion, Receipt, SplitWriter, TableToWrite, TableWriter, Written};
use crate::store::io_error;
use crate::table::Split;

/// What every writer of a table shares.
pub(super) struct Open {
    /// What is written.
    pub table: TableToWrite,
    /// Where it is written.
    pub names: Names,
    /// Its datasets.
    pub columns: Vec<Column>,
    /// Its files. Declared before the guard, so that they are closed before they are removed.
    pub pieces: Pieces,
    /// Removes the files of a table that is given up.
    pub unfinished: Mutex<Option<Unfinished>>,
    /// What was there before.
    pub memo: Memo,
    /// The runs that wrote that.
    pub earlier: Vec<String>,
    /// Stretches of rows that are written: the first one, and the number of them.
    pub filled: Mutex<BTreeMap<u64, u64>>,
}

/// The open table.
pub(super) struct Table(pub Arc<Open>);

#[async_trait]
impl TableWriter for Table {
    fn memo(&self) -> serde_json::Value {
        // Plain numbers, which always serialise.
        serde_json::to_value(&self.0.memo).unwrap_or_default()
    }

    async fn open_split(&self, split: &Split) -> Result<Box<dyn SplitWriter>> {
        Ok(Box::new(Writer {
            open: Arc::clone(&self.0),
            first: self.0.memo.rows_before + split.first_row,
            planned: split.rows,
            written: 0,
            broken: false,
        }))
    }

    async fn complete(&self) -> Result<Completion> {
        let open = Arc::clone(&self.0);
        blocking(move || open.complete()).await
    }
}

impl Open {
    fn fill(&self, first: u64, rows: u64) {
        if rows > 0 {
            self.filled.lock().unwrap_or_else(PoisonError::into_inner).insert(first, rows);
        }
    }

    fn complete(&self) -> Result<Completion> {
        self.pieces.open_all()?;
        let rows = self.close_gaps()?;
        let count = self.pieces.end(rows)?;
        let files = self.names.rows(count);
        if let [only] = files.as_slice() {
            let (from, to) =
                (self.names.unfinished(&self.names.numbered(0)), self.names.unfinished(only));
            fs::rename(&from, &to)
                .map_err(|error| io_error("rename the finished file", &from, error))?;
        }
        let unfinished =
            self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(
                || Error::internal("A table was completed twice").at(&self.table.name),
            )?;
        let list = h2m::text(&self.names, &files, &self.table, &self.earlier)?;
        place::commit(&self.names, &files, &list, unfinished)?;
        let mut rows_after = 0;
        for name in &files {
            rows_after += count_rows(&self.names.path(name), &self.columns)?;
        }
        Ok(Completion { rows_before: self.memo.rows_before, rows_after })
    }

    /// Moves rows down over those that did not come, in their order; gives the number of rows.
    fn close_gaps(&self) -> Result<u64> {
        let filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let mut end = 0;
        for (&first, &rows) in &*filled {
            if first > end {
                self.pieces.move_down(first, end, rows)?;
            }
            end += rows;
        }
        Ok(end)
    }
}

/// The writer of one split.
struct Writer {
    open: Arc<Open>,
    /// The split's first row in the table.
    first: u64,
    planned: u64,
    written: u64,
    /// A write failed, or was dropped before it ended: rows are missing.
    broken: bool,
}

impl Writer {
    fn check(&self) -> Result<()> {
        if !self.broken {
            return Ok(());
        }
        Err(Error::internal("A split was used again after a failed write")
            .at(&self.open.table.name))
    }
}

#[async_trait]
impl SplitWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<Written> {
        self.check()?;
        let rows = batch.len();
        if self.written + rows > self.planned {
            // They would overwrite the next split's rows.
            return Err(Error::internal(format!(
                "A split of {} rows was given {}",
                self.planned,
                self.written + rows
            ))
            .at(&batch.place));
        }
        self.broken = true;
        let (open, first) = (Arc::clone(&self.open), self.first + self.written);
        blocking(move || {
            open.pieces.write(first, &batch.rows).map_err(|error| error.at(&batch.place))
        })
        .await?;
        self.broken = false;
        self.written += rows;
        Ok(Written { rows, ..Written::default() })
    }

    /// The rows are durable, as are all of the table, when it is complete: a file of HDF5 is whole
    /// or nothing.
    async fn finish(self: Box<Self>) -> Result<Option<Receipt>> {
        self.check()?;
        let (open, end) = (Arc::clone(&self.open), self.first + self.written);
        open.fill(self.first, self.written);
        let missing = self.planned - self.written;
        if missing > 0 {
            blocking(move || open.pieces.skip(end, missing)).await?;
        }
        Ok(None)
    }
}
