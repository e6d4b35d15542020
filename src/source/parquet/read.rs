//! Reading one split, batch by batch, on a reader thread.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelectionPolicy,
};
use parquet::basic::Type;

use crate::error::{Error, Result};
use crate::flow::{BatchSize, Outlet};
use crate::source::Columns;
use crate::source::parquet::Config;
use crate::source::parquet::convert::{self, Unfit};
use crate::source::parquet::footer::{self, unreadable};
use crate::source::parquet::layout::Layout;
use crate::source::parquet::sums::Summing;
use crate::source::parquet::tables::{Location, list_len_of, row_counts};
use crate::store::{Place, Reader, Stores};
use crate::table::{Split, TableSchema};

/// What is to be read.
pub struct Reading {
    /// The source's configuration.
    pub config: Config,
    /// The stores that its files may be in.
    pub stores: Arc<Stores>,
    /// The table's schema.
    pub schema: TableSchema,
    /// The split.
    pub split: Split,
    /// Where it lies.
    pub location: Location,
    /// The first row that is wanted, within the split.
    pub from_row: u64,
    /// How large batches are.
    pub batch_size: BatchSize,
    /// Which columns are read.
    pub columns: Columns,
}

impl Reading {
    fn ids_only(&self) -> bool {
        self.columns == Columns::Ids
    }

    /// Reads the rows and sends them.
    ///
    /// # Errors
    /// Names the file, and the row where there is one.
    pub fn run(&self, outlet: &mut Outlet) -> Result<()> {
        let place = self.stores.place(&self.location.path)?;
        self.read(&place, outlet).map_err(|error| match error.kind() {
            crate::error::Kind::Interrupted => error,
            _ => error.at(place),
        })
    }

    fn read(&self, place: &Place, outlet: &mut Outlet) -> Result<()> {
        let (file, footer) = footer::open(place)?;
        let layout = Layout::resolve(&self.config, footer.schema())?;
        let schema = layout.schema(list_len_of(&self.schema))?;
        if file.stamp() != self.location.stamp {
            return Err(Error::source_changed("another file is there, or it was written to"));
        }
        if schema.arrow().fields() != self.schema.arrow().fields() {
            return Err(Error::source_changed("it has other columns"));
        }
        if self.ids_only() && layout.id.is_none() {
            return self.number_rows(outlet);
        }
        let row_bytes = self.row_bytes(&footer, &layout);
        let batch_rows = self.batch_size.rows_of(row_bytes);
        let (mut next, mut summing) = self.summing(&footer)?;
        let mut rows = self.rows(place, &file, footer, &layout, (next, batch_rows))?;
        while next < self.split.rows {
            let wanted = usize::try_from(self.split.rows - next).unwrap_or(usize::MAX);
            let permit = outlet.reserve(wanted.min(batch_rows).saturating_mul(row_bytes))?;
            let batch = rows.next().transpose();
            let Some(batch) = batch.map_err(|error| unreadable(&file, place, error))? else {
                return Err(Error::source(format!(
                    "The file ends {} rows before its footer says so",
                    self.split.rows - next
                )));
            };
            let (mut batch, mut unfit) = self.convert(&layout, &batch, next)?;
            if let Some(summing) = &mut summing {
                summing.add(&batch)?;
            }
            let not_wanted = self.from_row.saturating_sub(next);
            next += batch.num_rows() as u64;
            if not_wanted > 0 {
                let first = usize::try_from(not_wanted).unwrap_or(usize::MAX);
                let first = first.min(batch.num_rows());
                batch = batch.slice(first, batch.num_rows() - first);
                unfit.pass_over(first);
            }
            if batch.num_rows() > 0 {
                outlet.send_marked(batch, permit, unfit.rows)?;
            }
        }
        Ok(())
    }

    /// The row to begin with, and what compares rows with the file's checksums: that of a row group
    /// is known when it is read from its first row on.
    fn summing(&self, footer: &ArrowReaderMetadata) -> Result<(u64, Option<Summing>)> {
        // Other roles for columns would give other sums.
        let as_written = self.config.id.is_none() && self.config.vector.is_none();
        if self.ids_only() || !as_written || self.location.skip > 0 {
            return Ok((self.from_row, None));
        }
        let counts = row_counts(footer.metadata())?;
        let (mut first, mut row) = (self.location.first_group, 0);
        let end = first + self.location.groups;
        while first < end && row + counts.get(first).copied().unwrap_or(0) <= self.from_row {
            row += counts.get(first).copied().unwrap_or(0);
            first += 1;
        }
        match Summing::of(footer.metadata(), first..end, &self.schema)? {
            Some(summing) => Ok((row, Some(summing))),
            None => Ok((self.from_row, None)),
        }
    }

    /// A reader of the rows from a row on; whole row groups before it are not touched.
    fn rows(
        &self,
        place: &Place,
        file: &Reader,
        footer: ArrowReaderMetadata,
        layout: &Layout,
        (from_row, batch_rows): (u64, usize),
    ) -> Result<ParquetRecordBatchReader> {
        let counts = row_counts(footer.metadata())?;
        let mut skip = self.location.skip + from_row;
        let mut groups = Vec::new();
        for group in self.location.first_group..self.location.first_group + self.location.groups {
            let rows = counts.get(group).copied().unwrap_or(0);
            if groups.is_empty() && skip >= rows {
                skip -= rows;
            } else {
                groups.push(group);
            }
        }
        let mask = match layout.id {
            Some(id) if self.ids_only() => ProjectionMask::roots(footer.parquet_schema(), [id]),
            _ => ProjectionMask::all(),
        };
        let limit = self.split.rows - from_row;
        ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), footer)
            .with_row_groups(groups)
            .with_projection(mask)
            .with_batch_size(batch_rows)
            // Rows are skipped in one run at the start, never picked one by one.
            .with_row_selection_policy(RowSelectionPolicy::Selectors)
            .with_offset(usize::try_from(skip).unwrap_or(usize::MAX))
            .with_limit(usize::try_from(limit).unwrap_or(usize::MAX))
            .build()
            .map_err(|error| unreadable(file, place, error))
    }

    fn convert(
        &self,
        layout: &Layout,
        batch: &RecordBatch,
        next: u64,
    ) -> Result<(RecordBatch, Unfit<'_>)> {
        let fields = self.schema.arrow().fields();
        let mut unfit = Unfit::none(Path::new(&self.location.path), self.location.file_row + next);
        if self.ids_only() {
            let id = self.schema.id_index();
            let ids = convert::column(batch.column(0), &fields[id], &mut unfit)?;
            return Ok((convert::batch(&self.schema, &[id], vec![ids])?, unfit));
        }
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(fields.len());
        if layout.id.is_none() {
            let first = self.split.first_row + next;
            columns.push(convert::row_numbers(first, batch.num_rows())?);
        }
        for array in batch.columns() {
            columns.push(convert::column(array, &fields[columns.len()], &mut unfit)?);
        }
        let all: Vec<_> = (0..fields.len()).collect();
        Ok((convert::batch(&self.schema, &all, columns)?, unfit))
    }

    fn number_rows(&self, outlet: &mut Outlet) -> Result<()> {
        let batch_rows = self.batch_size.rows_of(8) as u64;
        let mut next = self.from_row;
        while next < self.split.rows {
            let rows = usize::try_from(batch_rows.min(self.split.rows - next)).unwrap_or(1);
            let permit = outlet.reserve(rows * 8)?;
            let ids = convert::row_numbers(self.split.first_row + next, rows)?;
            outlet.send(
                convert::batch(&self.schema, &[self.schema.id_index()], vec![ids])?,
                permit,
            )?;
            next += rows as u64;
        }
        Ok(())
    }

    /// Bytes of a row while it is decoded: fixed widths by the schema, strings and nested values
    /// by what the footer says of these row groups.
    fn row_bytes(&self, footer: &ArrowReaderMetadata, layout: &Layout) -> usize {
        let descriptor = footer.parquet_schema();
        let groups = footer.metadata().row_groups().iter();
        let groups = groups.skip(self.location.first_group).take(self.location.groups);
        let (mut rows, mut varying) = (0u64, 0u64);
        for group in groups {
            rows = rows.saturating_add(u64::try_from(group.num_rows()).unwrap_or(0));
            for (leaf, chunk) in group.columns().iter().enumerate() {
                let root = descriptor.get_column_root_idx(leaf);
                let read =
                    if self.ids_only() { Some(root) == layout.id } else { root != layout.vector };
                let nested = chunk.column_descr().max_rep_level() > 0;
                if read && (nested || chunk.column_type() == Type::BYTE_ARRAY) {
                    let stored = chunk.uncompressed_size();
                    let bytes = chunk.unencoded_byte_array_data_bytes().unwrap_or(0).max(stored);
                    varying = varying.saturating_add(u64::try_from(bytes).unwrap_or(0));
                }
            }
        }
        let varying = usize::try_from(varying / rows.max(1)).unwrap_or(usize::MAX);
        let fixed = if self.ids_only() { 8 } else { self.schema.row_bytes() };
        // float64 vectors are there twice while they become float32.
        let twice = layout.narrowed && !self.ids_only();
        let narrowed = if twice { 2 * self.schema.column().row_bytes() } else { 0 };
        fixed.saturating_add(narrowed).saturating_add(varying)
    }
}
