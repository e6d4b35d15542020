//! The rows of a split, page by page.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow_array::{Array, RecordBatch};
use async_trait::async_trait;

use super::tables::Location;
use crate::error::{Error, Result};
use crate::flow::{BatchSize, Pages};
use crate::milvus::v2::Client;
use crate::milvus::v2::keys::{Key, KeyRange};
use crate::milvus::v2::page::{MAX_PAGE, Scan};
use crate::source::{Columns, SourceTable};
use crate::table::Split;

/// Rows of the first page of rows that may be of any length: enough to see how long they are.
const FIRST_PAGE: usize = 256;

/// How many times as many rows as the last page the next one may have.
const GROWTH: usize = 16;

/// A split while it is read.
pub(super) struct Reading {
    client: Client,
    scan: Scan,
    /// What is left of it.
    range: KeyRange,
    schema: SchemaRef,
    /// Index of the key's column.
    key: usize,
    /// Rows at the beginning that are not wanted.
    skip: u64,
    /// Rows of the plan that have not come yet.
    left: u64,
    batch_size: BatchSize,
    /// Bytes of a row, as far as is known.
    row_bytes: usize,
    /// Rows that the next page may have.
    limit: usize,
}

impl Reading {
    pub fn new(
        client: Client,
        (table, split): (&SourceTable, &Split),
        from_row: u64,
        columns: Columns,
        batch_size: BatchSize,
    ) -> Result<Reading> {
        let Location { scan, range, .. } = split.location()?;
        let left = split.rows.saturating_sub(from_row);
        let id = table.schema.id_index();
        let all = table.schema.arrow();
        let (schema, key) = match columns {
            Columns::All => (Arc::clone(all), id),
            Columns::Ids => {
                let ids = all
                    .project(&[id])
                    .map_err(|error| Error::internal("The table lacks its ids").because(error))?;
                (Arc::new(ids), 0)
            }
        };
        let fixed = |field: &arrow::datatypes::FieldRef| match field.data_type() {
            arrow::datatypes::DataType::FixedSizeList(..) => true,
            other => other.primitive_width().is_some() || other.is_numeric(),
        };
        let row_bytes = match columns {
            Columns::All => table.schema.row_bytes(),
            Columns::Ids => 64,
        };
        let any_length = columns == Columns::All && !schema.fields().iter().all(fixed);
        let limit = if any_length { FIRST_PAGE } else { MAX_PAGE };
        let skip = from_row;
        Ok(Reading { client, scan, range, schema, key, skip, left, batch_size, row_bytes, limit })
    }

    /// Rows of the next page. What is left comes in pages of about the same size, and one more is asked
    /// for than is left: if there are more by now, that shows.
    fn rows(&self) -> usize {
        let most = self.limit.min(self.batch_size.rows_of(self.row_bytes)).clamp(1, MAX_PAGE);
        let wanted = self.left + 1;
        let pages = wanted.div_ceil(most as u64);
        usize::try_from(wanted.div_ceil(pages)).unwrap_or(most)
    }

    /// Goes on behind the last of `keys`.
    fn move_on(&mut self, keys: &arrow_array::ArrayRef) -> Result<()> {
        let last = Key::last_of(keys);
        let Some(last) = last.filter(|last| self.range.after.as_ref().is_none_or(|a| last > a))
        else {
            return Err(Error::source("The server's pages do not go on: the last key of one is not behind that of the one before")
                .help("this server can't be read page by page"));
        };
        self.range = self.range.behind(last);
        Ok(())
    }

    /// Passes over the rows that are not wanted, by their keys alone.
    async fn pass_over(&mut self) -> Result<()> {
        let ids = self.schema.project(&[self.key]);
        let ids =
            Arc::new(ids.map_err(|error| Error::internal("There are no ids").because(error))?);
        while self.skip > 0 {
            let wanted = usize::try_from(self.skip).unwrap_or(MAX_PAGE).min(MAX_PAGE);
            let page = self.client.page(&self.scan, &self.range, &ids, wanted).await?;
            if page.num_rows() == 0 {
                self.skip = 0;
                return Ok(());
            }
            self.skip -= page.num_rows() as u64;
            self.move_on(page.column(0))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Pages for Reading {
    fn next_bytes(&self) -> usize {
        self.rows().saturating_mul(self.row_bytes)
    }

    async fn next_page(&mut self) -> Result<Option<RecordBatch>> {
        // All that were counted are there: that is the end, without a page to say so.
        if self.left == 0 {
            return Ok(None);
        }
        self.pass_over().await?;
        let (rows, range) = (self.rows(), &self.range);
        let page = self.client.page(&self.scan, range, &self.schema, rows).await?;
        if page.num_rows() == 0 {
            return Ok(None);
        }
        self.move_on(page.column(self.key))?;
        self.left = self.left.saturating_sub(page.num_rows() as u64);
        let bytes: usize =
            page.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0)).sum();
        self.row_bytes = bytes.div_ceil(page.num_rows()).max(1);
        self.limit = page.num_rows().max(self.limit / GROWTH).saturating_mul(GROWTH).min(MAX_PAGE);
        Ok(Some(page))
    }

    fn take_retries(&mut self) -> u64 {
        self.client.take_repeats()
    }
}
