//! Reading one split, on a reader thread.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::flow::{BatchSize, Outlet};
use crate::source::hdf5::column::{Ids, StoredIds, Unfit, Vectors};
use crate::source::hdf5::dataset::{Dataset, open_file};
use crate::source::hdf5::plan::Location;
use crate::source::hdf5::storage::{ChunkMaps, RowReader};
use crate::source::input::Input;
use crate::source::opened::Opened;
use crate::table::TableSchema;

/// What is to be read.
#[derive(Debug)]
pub struct Job {
    /// Where the rows lie.
    pub location: Location,
    /// Rows within the file.
    pub rows: Range<u64>,
    /// Number, in the table, of row 0 of the file.
    pub first_number: i64,
    /// The table's columns.
    pub schema: TableSchema,
    /// How large batches should be.
    pub batch_size: BatchSize,
    /// The file that was opened last.
    pub opened: Opened<Input, hdf5::File>,
    /// Where chunks lie.
    pub maps: ChunkMaps,
}

impl Job {
    /// Sends whole rows.
    ///
    /// # Errors
    /// When the file changed or can't be read, or nobody wants the rows any more.
    pub fn send_rows(&self, outlet: &mut Outlet) -> Result<()> {
        let path = &self.location.input.file;
        let file = self.file()?;
        let dataset = Dataset::open(&file, &self.location.vectors)?;
        let rows = RowReader::new(path, &dataset, &self.maps)?;
        let mut vectors = Vectors::new(rows, &dataset, self.schema.column())?;
        let mut ids = self.ids(&file)?;
        self.check_rows(dataset.rows())?;
        let row_bytes = self.schema.row_bytes();
        let batch_rows = self.batch_size.rows_of(row_bytes);
        let mut row = self.rows.start;
        while row < self.rows.end {
            let stop = vectors.rows().stop(row, batch_rows as u64).min(self.rows.end);
            // One permit for all that this step holds. A reader that kept one while it waited for
            // another could wait forever for readers that do the same.
            let permit = outlet.reserve(
                bytes_of(stop - row, row_bytes)
                    .saturating_add(vectors.scratch_bytes())
                    .saturating_add(ids.scratch_bytes()),
            )?;
            let mut unfit = Unfit::none(&self.schema, path, row);
            let columns =
                vec![ids.read(row..stop, &mut unfit)?, vectors.read(row..stop, &mut unfit)?];
            let rows = RecordBatch::try_new(Arc::clone(self.schema.arrow()), columns)
                .map_err(|error| Error::internal("Rows do not fit their schema").because(error))?;
            // A chunk larger than a batch was decoded once, and leaves in slices.
            for first in (0..rows.num_rows()).step_by(batch_rows) {
                let slice = rows.slice(first, batch_rows.min(rows.num_rows() - first));
                let misfits = unfit.within(first, slice.num_rows());
                outlet.send_marked(slice, permit.clone(), misfits)?;
            }
            row = stop;
        }
        Ok(())
    }

    /// Sends the ids alone.
    ///
    /// # Errors
    /// As [`send_rows`](Self::send_rows).
    pub fn send_ids(&self, outlet: &mut Outlet) -> Result<()> {
        let Location { input, ids, .. } = &self.location;
        let path = &input.file;
        let mut ids = match ids {
            Some(_) => self.ids(&*self.file()?)?,
            None => {
                self.location.input.check()?;
                Ids::Numbers(self.first_number)
            }
        };
        let schema = self
            .schema
            .arrow()
            .project(&[self.schema.id_index()])
            .map_err(|error| Error::internal("The table has no id column").because(error))?;
        let schema = Arc::new(schema);
        let batch_rows = self.batch_size.rows_of(size_of::<i64>()) as u64;
        let mut row = self.rows.start;
        while row < self.rows.end {
            let stop = row.saturating_add(batch_rows).min(self.rows.end);
            let permit = outlet.reserve(
                bytes_of(stop - row, size_of::<i64>()).saturating_add(ids.scratch_bytes()),
            )?;
            let mut unfit = Unfit::none(&self.schema, path, row);
            let ids = ids.read(row..stop, &mut unfit)?;
            let rows = RecordBatch::try_new(Arc::clone(&schema), vec![ids])
                .map_err(|error| Error::internal("Ids do not fit their schema").because(error))?;
            let misfits = unfit.within(0, rows.num_rows());
            outlet.send_marked(rows, permit, misfits)?;
            row = stop;
        }
        Ok(())
    }

    /// The file, which must be the one that was planned.
    fn file(&self) -> Result<Arc<hdf5::File>> {
        let input = &self.location.input;
        input.check()?;
        self.opened.get(input.clone(), |_| true, || open_file(&input.file))
    }

    fn ids(&self, file: &hdf5::File) -> Result<Ids> {
        let Some(path) = &self.location.ids else { return Ok(Ids::Numbers(self.first_number)) };
        let dataset = Dataset::open(file, path)?;
        self.check_rows(dataset.rows())?;
        let rows = RowReader::new(&self.location.input.file, &dataset, &self.maps)?;
        StoredIds::new(rows, &dataset).map(|ids| Ids::Stored(Box::new(ids)))
    }

    fn check_rows(&self, rows: u64) -> Result<()> {
        if rows >= self.rows.end {
            return Ok(());
        }
        Err(Error::source_changed(format!(
            "the file has {rows} rows now, the plan goes up to {}",
            self.rows.end
        )))
    }
}

fn bytes_of(rows: u64, row_bytes: usize) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX).saturating_mul(row_bytes)
}
