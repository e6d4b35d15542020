//! Reading one split, on a reader thread: the runs of rows between deleted ones.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow_array::{ArrayRef, RecordBatch};

use crate::error::{Error, Result};
use crate::flow::{BatchSize, Outlet};
use crate::source::Columns;
use crate::source::milvus1::plan::Location;
use crate::source::milvus1::segment::{HEADER, Segment};
use crate::source::rows::{to_ids, to_vectors, values};
use crate::source::scatter::{self, Piece};
use crate::table::{TableSchema, VectorType};

/// What is to be read.
#[derive(Debug)]
pub struct Job {
    /// Where the rows lie.
    pub location: Location,
    /// First row that is wanted, counted without deleted ones.
    pub from_row: u64,
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
    /// When a file changed or can't be read, or nobody wants the rows any more.
    pub fn send(&self, outlet: &mut Outlet) -> Result<()> {
        self.location.files.check()?;
        let vector_bytes = self.schema.column().row_bytes();
        let segment = Segment::look(self.location.files.clone(), vector_bytes)?;
        let width = match self.schema.column().vector_type {
            VectorType::Binary => 1,
            _ => size_of::<f32>(),
        };
        let all = self.columns == Columns::All;
        let ids = segment.open_ids()?;
        let vectors = if all { Some(segment.open_vectors()?) } else { None };
        let (schema, row_bytes) = match all {
            true => (Arc::clone(self.schema.arrow()), self.schema.row_bytes()),
            false => {
                let schema = self.schema.arrow().project(&[self.schema.id_index()]);
                let unfit = |error| Error::internal("The table has no id column").because(error);
                (Arc::new(schema.map_err(unfit)?), size_of::<i64>())
            }
        };
        let batch_rows = u32::try_from(self.batch_size.rows_of(row_bytes)).unwrap_or(u32::MAX);
        let mut start = self.first_row(&segment);
        while start < self.location.end {
            let end = start.saturating_add(batch_rows).min(self.location.end);
            let window = Window::of(&segment, start..end);
            start = end;
            if window.alive == 0 {
                continue;
            }
            let permit = outlet.reserve(window.alive.saturating_mul(row_bytes))?;
            let id_values = window.values(&ids, size_of::<i64>(), size_of::<i64>());
            let values = vectors.as_ref().map(|file| window.values(file, vector_bytes, width));
            // Whatever was read is worth something only if nobody changed the files meanwhile.
            self.location.files.check()?;
            let mut columns: Vec<ArrayRef> = vec![to_ids(id_values?)];
            if let Some(values) = values {
                columns.push(to_vectors(&self.schema, values?, window.alive)?);
            }
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
                .map_err(|error| Error::internal("Rows do not fit their schema").because(error))?;
            outlet.send(batch, permit)?;
        }
        Ok(())
    }

    /// The row of the segment at which the wanted ones begin.
    fn first_row(&self, segment: &Segment) -> u32 {
        let Location { start, end, .. } = self.location;
        let mut left = self.from_row;
        if left == 0 {
            return start;
        }
        // From one deleted row to the next.
        let mut row = start;
        for deleted in segment.deleted.range(start..end) {
            let alive = u64::from(deleted - row);
            if alive > left {
                break;
            }
            left -= alive;
            row = deleted + 1;
        }
        row.saturating_add(u32::try_from(left).unwrap_or(u32::MAX)).min(end)
    }
}

/// Some rows of a segment, and which of them are alive.
struct Window {
    /// Runs of rows that are alive.
    runs: Vec<Range<u32>>,
    alive: usize,
}

impl Window {
    fn of(segment: &Segment, rows: Range<u32>) -> Window {
        let mut runs = Vec::new();
        let mut start = rows.start;
        for deleted in segment.deleted.range(rows.clone()) {
            runs.push(start..deleted);
            start = deleted + 1;
        }
        runs.push(start..rows.end);
        runs.retain(|run| !run.is_empty());
        let alive = runs.iter().map(|run| run.len()).sum();
        Window { runs, alive }
    }

    /// The values of the rows that are alive.
    fn values(&self, file: &File, row_bytes: usize, width: usize) -> Result<Buffer> {
        let at = |row: u32| HEADER + row as usize * row_bytes;
        let pieces = self.runs.iter().map(|run| {
            let (start, end) = (at(run.start), at(run.end));
            Piece { offset: start as u64, bytes: end - start, into: 0 }
        });
        let mut bytes = Vec::with_capacity(self.alive * row_bytes);
        scatter::read(file, pieces, [&mut bytes])
            .map_err(|error| error.help("read a stopped server's directory, or a copy of it"))?;
        Ok(values(bytes, width))
    }
}
