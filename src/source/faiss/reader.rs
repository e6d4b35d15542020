//! Reading one split, on a reader thread.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};

use crate::error::{Error, Result};
use crate::flow::{BatchSize, Outlet};
use crate::source::Columns;
use crate::source::faiss::plan::{self, Location};
use crate::source::faiss::rows::Rows;
use crate::source::opened::Opened;
use crate::source::rows::to_vectors;
use crate::table::TableSchema;

/// What is to be read.
#[derive(Debug)]
pub struct Job {
    /// Where the rows lie.
    pub location: Location,
    /// The index that was opened last, with first row 0.
    pub opened: Opened<Location, Rows>,
    /// Rows within the index.
    pub rows: Range<u64>,
    /// Which columns are wanted.
    pub columns: Columns,
    /// The table's columns.
    pub schema: TableSchema,
    /// How large batches should be.
    pub batch_size: BatchSize,
}

impl Job {
    /// Sends the rows.
    ///
    /// # Errors
    /// When the file changed or can't be read, or nobody wants the rows any more.
    pub fn send(&self, outlet: &mut Outlet) -> Result<()> {
        self.location.input.check()?;
        let whole = Location { first_row: 0, ..self.location.clone() };
        let data = whole.input.further.paths().next().cloned();
        let open = || plan::open(&whole.input.file, |_| data).map(|(_, rows)| rows);
        let rows = self.opened.get(whole.clone(), Rows::is_intact, open)?;
        if self.rows.end > rows.layout.rows() {
            return Err(Error::source_changed(format!(
                "the index has {} rows now, the plan goes up to {}",
                rows.layout.rows(),
                self.rows.end
            )));
        }
        // Splits end where the rows with another one's vector begin.
        let originals = match (self.columns, self.rows.start >= rows.layout.listed) {
            (Columns::All, true) => Some(rows.originals(&self.rows)?),
            _ => None,
        };
        let (schema, row_bytes) = match self.columns {
            Columns::All => (Arc::clone(self.schema.arrow()), self.schema.row_bytes()),
            Columns::Ids => {
                let ids = self.schema.arrow().project(&[self.schema.id_index()]);
                let ids = ids.map_err(|error| {
                    Error::internal("The table has no id column").because(error)
                })?;
                (Arc::new(ids), size_of::<i64>())
            }
        };
        let batch_rows = self.batch_size.rows_of(row_bytes) as u64;
        let taken = row_bytes + rows.layout.scratch_row_bytes();
        let mut first = self.rows.start;
        while first < self.rows.end {
            let part = first..first.saturating_add(batch_rows).min(self.rows.end);
            let count = (part.end - part.start) as usize;
            let permit = outlet.reserve(count.saturating_mul(taken))?;
            let columns = self.columns(&rows, &part, originals.as_deref());
            // Whatever was read is worth something only if the file was whole all the while.
            self.location.input.check()?;
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns?)
                .map_err(|error| Error::internal("Rows do not fit their schema").because(error))?;
            if !rows.is_intact() {
                return Err(Error::source_changed("the file was cut off while it was read"));
            }
            outlet.send(batch, permit)?;
            first = part.end;
        }
        Ok(())
    }

    fn columns(
        &self,
        rows: &Rows,
        part: &Range<u64>,
        originals: Option<&[u64]>,
    ) -> Result<Vec<ArrayRef>> {
        let (ids, vectors) = match (self.columns, originals) {
            (Columns::Ids, _) => (rows.ids(part)?, None),
            (Columns::All, None) => {
                let (ids, vectors) = rows.read(part)?;
                (ids, Some(vectors))
            }
            (Columns::All, Some(originals)) => {
                let place = |row: u64| (row - self.rows.start) as usize;
                let originals = &originals[place(part.start)..place(part.end)];
                (rows.ids(part)?, Some(rows.gather(originals)))
            }
        };
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids))];
        if let Some(vectors) = vectors {
            let count = (part.end - part.start) as usize;
            columns.push(to_vectors(&self.schema, vectors, count)?);
        }
        Ok(columns)
    }
}
