//! Reads splits and whole tables through the `Source` trait.

use arrow::compute::concat_batches;
use arrow_array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use vecpipe::Result;
use vecpipe::flow::{BatchSize, BatchStream, MemoryBudget, ReadContext};
use vecpipe::source::{Columns, Source, SourceTable};
use vecpipe::table::Split;

/// How a source is read.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub batch_rows: usize,
    pub batch_bytes: usize,
    pub memory: u64,
    pub parallelism: usize,
}

impl Way {
    pub const PLAIN: Way =
        Way { batch_rows: 1000, batch_bytes: 1 << 20, memory: 64 << 20, parallelism: 2 };

    pub fn context(self) -> ReadContext {
        let batch_size = BatchSize { rows: self.batch_rows, bytes: self.batch_bytes };
        ReadContext::new(MemoryBudget::new(self.memory), batch_size, self.parallelism).unwrap()
    }
}

/// Every batch of a stream that starts at `first_row`; checks their sizes and places on the way.
pub async fn batches_of(
    mut stream: BatchStream,
    first_row: u64,
    cx: &ReadContext,
) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    let mut next = first_row;
    while let Some(batch) = stream.next().await.transpose()? {
        assert!((1..=cx.batch_size.rows as u64).contains(&batch.len()), "{} rows", batch.len());
        assert_eq!(batch.place.first_row, next, "a batch says it is elsewhere");
        next += batch.len();
        batches.push(batch.rows);
    }
    Ok(batches)
}

/// One split from `from_row` on, as one batch.
pub async fn read_split(
    source: &dyn Source,
    table: &SourceTable,
    split: &Split,
    from_row: u64,
    cx: &ReadContext,
) -> Result<RecordBatch> {
    let stream = source.open(table, split, from_row, Columns::All, cx)?;
    let batches = batches_of(stream, from_row, cx).await?;
    for batch in &batches {
        assert_eq!(batch.schema(), *table.schema.arrow(), "a batch has another schema");
    }
    Ok(concat_batches(table.schema.arrow(), &batches).unwrap())
}

/// All rows of a table, `parallelism` splits at a time, in source order.
pub async fn read_table(
    source: &dyn Source,
    table: &SourceTable,
    parallelism: usize,
    cx: &ReadContext,
) -> Result<RecordBatch> {
    let splits: Vec<RecordBatch> = futures::stream::iter(&table.splits)
        .map(|split| read_split(source, table, split, 0, cx))
        .buffered(parallelism)
        .try_collect()
        .await?;
    Ok(concat_batches(table.schema.arrow(), &splits).unwrap())
}
