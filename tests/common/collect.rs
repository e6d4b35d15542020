//! Reads whole tables through the `Source` trait.

use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow_array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use vecpipe::Result;
use vecpipe::flow::{BatchSize, BatchStream, MemoryBudget, ReadContext, ReaderThreads};
use vecpipe::source::{Source, SourceTable};

/// A context with `parallelism` reader threads, `memory` bytes and batches of at most `rows` rows.
pub fn context(parallelism: usize, memory: u64, rows: usize) -> ReadContext {
    ReadContext {
        budget: MemoryBudget::new(memory),
        batch_size: BatchSize { rows, bytes: usize::MAX },
        threads: ReaderThreads::start(parallelism).unwrap(),
        cancel: tokio_util::sync::CancellationToken::new(),
        meter: Arc::default(),
    }
}

/// All rows of a stream; checks that no batch is empty or larger than `cx` allows.
pub async fn rows_of(stream: BatchStream, cx: &ReadContext) -> Result<Vec<RecordBatch>> {
    let limit = cx.batch_size.rows;
    stream
        .map_ok(|batch| {
            assert!((1..=limit).contains(&batch.rows.num_rows()), "{} rows", batch.rows.num_rows());
            batch.rows
        })
        .try_collect()
        .await
}

/// All rows of a table, `parallelism` splits at a time, in source order.
pub async fn collect(
    source: &dyn Source,
    table: &SourceTable,
    parallelism: usize,
    cx: &ReadContext,
) -> Result<RecordBatch> {
    let splits: Vec<Vec<RecordBatch>> = futures::stream::iter(&table.splits)
        .map(|split| async move { rows_of(source.open(table, split, 0, cx)?, cx).await })
        .buffered(parallelism)
        .try_collect()
        .await?;
    Ok(concat_batches(table.schema.arrow(), splits.iter().flatten()).unwrap())
}
