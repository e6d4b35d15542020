//! The files of a table while they are written: rows by their position in the table, cut into
//! files of at most so many rows.
//!
//! A file is made when its first row comes, and closed when all its rows have come, so the number
//! of open files follows the number of writers, not the size of the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::sink::hdf5::columns::Column;
use crate::sink::hdf5::dataset::Storage;
use crate::sink::hdf5::file::TableFile;
use crate::sink::hdf5::names::Names;
use crate::store::{io_error, sync_folder};

/// The files of a table that is being written.
pub struct Pieces {
    names: Names,
    columns: Vec<Column>,
    storage: Storage,
    /// Rows that the table is planned to have, old ones too.
    planned: u64,
    rows_per_file: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Files of which rows are still to come, by their index.
    coming: BTreeMap<u64, Coming>,
    /// Files that have been made.
    made: BTreeSet<u64>,
    /// Files that an interrupted run left whole: their rows are there, and stay as they are.
    kept: BTreeSet<u64>,
}

struct Coming {
    rows_left: u64,
    file: Option<Arc<TableFile>>,
}

/// Rows that follow each other in one file.
struct Stretch {
    file: u64,
    /// The first one's number in the file.
    row: u64,
    /// The first one's number in the stretch of the table that was asked for.
    offset: u64,
    rows: u64,
}

impl Pieces {
    /// No files yet, for `planned` rows in the end.
    pub fn new(
        names: Names,
        columns: Vec<Column>,
        storage: Storage,
        planned: u64,
        rows_per_file: Option<u64>,
    ) -> Pieces {
        let rows_per_file = rows_per_file.unwrap_or(u64::MAX).max(1);
        Pieces { names, columns, storage, planned, rows_per_file, state: Mutex::default() }
    }

    /// Those files that an interrupted run left whole.
    pub fn whole(&self) -> BTreeSet<u64> {
        let indices = 0..self.planned.div_ceil(self.rows_per_file);
        indices.filter(|index| self.names.whole(&self.names.numbered(*index)).exists()).collect()
    }

    /// Keeps these whole files: rows that belong there are not written again.
    pub fn keep(&self, whole: BTreeSet<u64>) {
        let mut state = self.state();
        state.made.extend(&whole);
        state.kept = whole;
    }

    /// True when all of these rows lie in `whole` files.
    ///
    /// # Errors
    /// When the table was planned to be shorter.
    pub fn lie_in(&self, whole: &BTreeSet<u64>, first: u64, rows: u64) -> Result<bool> {
        Ok(self.stretches(first, rows)?.iter().all(|stretch| whole.contains(&stretch.file)))
    }

    /// From here on all files may change, and none counts as whole any more.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open_all(&self) -> Result<()> {
        let made = {
            let mut state = self.state();
            state.kept.clear();
            state.made.clone()
        };
        for name in made.into_iter().map(|index| self.names.numbered(index)) {
            let (whole, open) = (self.names.whole(&name), self.names.unfinished(&name));
            if whole.exists() {
                fs::rename(&whole, &open)
                    .map_err(|error| io_error("rename the finished file", &whole, error))?;
            }
        }
        Ok(())
    }

    /// Writes `rows` from row `first` of the table on.
    ///
    /// # Errors
    /// When the file system refuses, or the table was planned to be shorter.
    pub fn write(&self, first: u64, rows: &RecordBatch) -> Result<()> {
        for stretch in self.missing(first, rows.num_rows() as u64)? {
            let slice = rows.slice(small(stretch.offset), small(stretch.rows));
            self.file(stretch.file)?.write(stretch.row, &slice)?;
            self.came(&stretch)?;
        }
        Ok(())
    }

    /// Copies `rows` rows of another file, from its row `from` on, to row `to` of the table.
    ///
    /// # Errors
    /// When they can't be read or written.
    pub fn copy(&self, source: &TableFile, from: u64, to: u64, rows: u64) -> Result<()> {
        for stretch in self.missing(to, rows)? {
            let file = self.file(stretch.file)?;
            source.copy(from + stretch.offset, &file, stretch.row, stretch.rows)?;
            drop(file);
            self.came(&stretch)?;
        }
        Ok(())
    }

    /// Notes that `rows` rows from `first` on will not come.
    ///
    /// # Errors
    /// When a file that is whole with that can't be closed.
    pub fn skip(&self, first: u64, rows: u64) -> Result<()> {
        self.missing(first, rows)?.iter().try_for_each(|stretch| self.came(stretch))
    }

    /// Moves rows towards the start of the table, once all have come.
    ///
    /// # Errors
    /// When they can't be read or written.
    pub fn move_down(&self, from: u64, to: u64, rows: u64) -> Result<()> {
        for source in self.stretches(from, rows)? {
            for target in self.stretches(to + source.offset, source.rows)? {
                self.close_all_but(&[source.file, target.file])?;
                let (from, into) = (self.file(source.file)?, self.file(target.file)?);
                from.copy(source.row + target.offset, &into, target.row, target.rows)?;
            }
        }
        Ok(())
    }

    /// Cuts the table to `rows` rows, which are its first ones, closes all files, and says how many
    /// there are: at least one, which tells the columns of a table without rows.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn end(&self, rows: u64) -> Result<u64> {
        let count = rows.div_ceil(self.rows_per_file).max(1);
        let rows_in_last = rows - (count - 1).saturating_mul(self.rows_per_file);
        self.close_all_but(&[])?;
        if rows_in_last != self.rows_of(count - 1) || !self.state().made.contains(&(count - 1)) {
            self.file(count - 1)?.resize(rows_in_last)?;
            self.close_all_but(&[])?;
        }
        let surplus = self.state().made.split_off(&count);
        for index in surplus {
            let path = self.names.unfinished(&self.names.numbered(index));
            fs::remove_file(&path)
                .map_err(|error| io_error("remove the empty file", &path, error))?;
        }
        Ok(count)
    }

    /// The stretches that lie in no kept file.
    fn missing(&self, first: u64, rows: u64) -> Result<Vec<Stretch>> {
        let mut stretches = self.stretches(first, rows)?;
        let state = self.state();
        stretches.retain(|stretch| !state.kept.contains(&stretch.file));
        Ok(stretches)
    }

    fn stretches(&self, first: u64, rows: u64) -> Result<Vec<Stretch>> {
        let end = first.saturating_add(rows);
        if end > self.planned {
            return Err(Error::internal(format!(
                "Rows up to {end} came, the table was planned with {}",
                self.planned
            )));
        }
        let mut stretches = Vec::new();
        let mut next = first;
        while next < end {
            let (file, row) = (next / self.rows_per_file, next % self.rows_per_file);
            let rows = (self.rows_per_file - row).min(end - next);
            stretches.push(Stretch { file, row, offset: next - first, rows });
            next += rows;
        }
        Ok(stretches)
    }

    /// Rows that a file is planned to have.
    fn rows_of(&self, index: u64) -> u64 {
        let before = index.saturating_mul(self.rows_per_file);
        self.planned.saturating_sub(before).min(self.rows_per_file)
    }

    fn coming<'s>(&self, state: &'s mut State, index: u64) -> &'s mut Coming {
        let rows_left = self.rows_of(index);
        state.coming.entry(index).or_insert(Coming { rows_left, file: None })
    }

    /// The open file of this index, made if it is not there.
    fn file(&self, index: u64) -> Result<Arc<TableFile>> {
        let mut state = self.state();
        if let Some(file) = &self.coming(&mut state, index).file {
            return Ok(Arc::clone(file));
        }
        let path = self.names.unfinished(&self.names.numbered(index));
        let file = Arc::new(if state.made.contains(&index) {
            TableFile::open(path, &self.columns, true)?
        } else {
            TableFile::create(path, &self.columns, self.rows_of(index), self.storage)?
        });
        state.made.insert(index);
        self.coming(&mut state, index).file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Notes that rows came, or never will, and closes their file when it was waiting for no more.
    fn came(&self, stretch: &Stretch) -> Result<()> {
        let whole = {
            let mut state = self.state();
            let coming = self.coming(&mut state, stretch.file);
            coming.rows_left = coming.rows_left.saturating_sub(stretch.rows);
            if coming.rows_left > 0 { None } else { state.coming.remove(&stretch.file) }
        };
        // Without a row there is no file.
        let Some(whole) = whole.filter(|whole| whole.file.is_some()) else { return Ok(()) };
        close(whole)?;
        let name = self.names.numbered(stretch.file);
        let (open, whole) = (self.names.unfinished(&name), self.names.whole(&name));
        fs::rename(&open, &whole)
            .map_err(|error| io_error("rename the finished file", &open, error))?;
        sync_folder(self.names.folder())
    }

    fn close_all_but(&self, kept: &[u64]) -> Result<()> {
        let closed: Vec<Coming> = {
            let mut state = self.state();
            let open: Vec<u64> = state.coming.keys().copied().collect();
            let closed = open.iter().filter(|index| !kept.contains(index));
            closed.filter_map(|index| state.coming.remove(index)).collect()
        };
        closed.into_iter().try_for_each(close)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close(coming: Coming) -> Result<()> {
    let Some(file) = coming.file else { return Ok(()) };
    Arc::into_inner(file)
        .ok_or_else(|| Error::internal("A file was closed while rows were written to it"))?
        .close()
}

/// A number of rows of a batch.
fn small(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}
