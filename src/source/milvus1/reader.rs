//! Reading one split, on a reader thread: slices of the maps where no row was deleted.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow_array::{ArrayRef, RecordBatch};

use crate::error::{Error, Result};
use crate::flow::{BatchSize, Outlet};
use crate::source::Columns;
use crate::source::files::name;
use crate::source::map::FileMap;
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
        let place = |error: Error| error.at(name(&self.location.files.folder));
        self.location.files.check()?;
        let vector_bytes = self.schema.column().row_bytes();
        let segment = Segment::look(self.location.files.clone(), vector_bytes)?;
        let width = match self.schema.column().vector_type {
            VectorType::Binary => 1,
            _ => size_of::<f32>(),
        };
        let all = self.columns == Columns::All;
        let ids = segment.map_ids()?;
        let vectors = if all { Some(segment.map_vectors()?) } else { None };
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
            let values = vectors.as_ref().map(|map| window.values(map, vector_bytes, width));
            // Whatever was read is worth something only if the files were whole all the while.
            self.location.files.check()?;
            let mut columns: Vec<ArrayRef> = vec![to_ids(id_values?)];
            if let Some(values) = values {
                columns.push(to_vectors(&self.schema, values?, window.alive)?);
            }
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
                .map_err(|error| Error::internal("Rows do not fit their schema").because(error))?;
            if !ids.is_intact() || !vectors.as_ref().is_none_or(|map| map.is_intact()) {
                return Err(place(
                    Error::source("The files were cut off while they were read")
                        .help("read a stopped server's directory, or a copy of it"),
                ));
            }
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
    rows: Range<u32>,
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
        Window { rows, runs, alive }
    }

    /// The values of the rows that are alive: a slice of the map when all are.
    fn values(&self, map: &Arc<FileMap>, row_bytes: usize, width: usize) -> Result<Buffer> {
        let bytes_of = |rows: &Range<u32>| {
            let at = |row: u32| HEADER + row as usize * row_bytes;
            at(rows.start)..at(rows.end)
        };
        let window = bytes_of(&self.rows);
        let gone = || {
            Error::source("The segment's file is shorter than when the run was planned")
                .help("read a stopped server's directory, or a copy of it")
        };
        if window.end > map.bytes().len() {
            return Err(gone());
        }
        if let [run] = self.runs.as_slice() {
            return map.buffer(bytes_of(run)).ok_or_else(gone);
        }
        let pieces = self.runs.iter().map(|run| {
            let range = bytes_of(run);
            Piece { offset: range.start as u64, bytes: range.len(), into: 0 }
        });
        let mut bytes = Vec::with_capacity(self.alive * row_bytes);
        scatter::read(map.file(), pieces, [&mut bytes])?;
        Ok(values(bytes, width))
    }
}
