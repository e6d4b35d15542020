//! Reading one split, on a reader thread.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayData;
use arrow_array::{ArrayRef, FixedSizeListArray, Int64Array, RecordBatch, make_array};

use crate::error::{Error, Result};
use crate::flow::{BatchSize, Outlet};
use crate::source::Columns;
use crate::source::faiss::plan::{self, Location};
use crate::source::faiss::rows::Rows;
use crate::table::TableSchema;

/// What is to be read.
#[derive(Debug)]
pub struct Job {
    /// Where the rows lie.
    pub location: Location,
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
        self.location.check()?;
        let (_, rows) = plan::open(&self.location.file)?;
        if self.rows.end > rows.layout.rows() {
            return Err(Error::source(format!(
                "The index has {} rows now, the plan goes up to {}",
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
            if self.columns == Columns::All && originals.is_none() {
                rows.read_in(&part);
            }
            let mut ids = Vec::with_capacity(count);
            rows.ids(part.clone(), &mut ids)?;
            let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids))];
            if self.columns == Columns::All {
                columns.push(self.vectors(&rows, &part, originals.as_deref())?);
            }
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
                .map_err(|error| Error::internal("Rows do not fit their schema").because(error))?;
            // Whatever was read is worth something only if the file was whole all the while.
            self.location.check()?;
            if !rows.is_intact() {
                return Err(Error::source("The file was cut off while it was read")
                    .help("let whatever writes it finish, then run again"));
            }
            outlet.send(batch, permit)?;
            first = part.end;
        }
        Ok(())
    }

    fn vectors(
        &self,
        rows: &Rows,
        part: &Range<u64>,
        originals: Option<&[u64]>,
    ) -> Result<ArrayRef> {
        let values = match originals {
            Some(originals) => {
                let place = |row: u64| (row - self.rows.start) as usize;
                rows.gather(&originals[place(part.start)..place(part.end)])
            }
            None => rows.vectors(part),
        };
        to_vectors(&self.schema, values, (part.end - part.start) as usize)
    }
}

/// A column of `rows` vectors from their values.
///
/// # Errors
/// When they are not as many as the schema says.
pub fn to_vectors(
    schema: &TableSchema,
    values: arrow::buffer::Buffer,
    rows: usize,
) -> Result<ArrayRef> {
    let unfit = |error| Error::internal("Vectors do not fit their column").because(error);
    let column = schema.column();
    let len = column.vector_type.list_len(column.dim);
    let data = ArrayData::builder(column.vector_type.element())
        .len(len.saturating_mul(rows))
        .add_buffer(values)
        .build()
        .map_err(unfit)?;
    let arrow::datatypes::DataType::FixedSizeList(item, size) = schema.vector().data_type() else {
        return Err(Error::internal("The vector column is no list"));
    };
    let list = FixedSizeListArray::try_new(Arc::clone(item), *size, make_array(data), None);
    list.map(|list| Arc::new(list) as ArrayRef).map_err(unfit)
}
