//! What the contracts need to drive sources and sinks.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arrow::compute::concat_batches;
use arrow_array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;
use vecpipe::flow::{
    Batch, BatchSize, BatchStream, MemoryBudget, Meter, ReadContext, ReaderThreads,
};
use vecpipe::source::{Source, SourceTable};
use vecpipe::table::Split;

/// Generous: only a hang is ever longer.
const HANG: Duration = Duration::from_secs(60);

/// Fails the test, rather than blocking it for ever, when `work` hangs.
pub async fn no_hang<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, work).await.expect("it hangs")
}

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
        ReadContext {
            budget: MemoryBudget::new(self.memory),
            batch_size: BatchSize { rows: self.batch_rows, bytes: self.batch_bytes },
            threads: ReaderThreads::start(self.parallelism).unwrap(),
            cancel: CancellationToken::new(),
            meter: Arc::new(Meter::default()),
        }
    }
}

/// Every row that a stream gives; checks the batches' places on the way.
pub async fn drain(mut stream: BatchStream, first_row: u64) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    let mut next = first_row;
    while let Some(batch) = stream.next().await {
        let Batch { rows, place, permit } = batch.unwrap();
        assert_eq!(place.first_row, next, "a batch says it is elsewhere");
        next += rows.num_rows() as u64;
        drop(permit);
        batches.push(rows);
    }
    batches
}

/// One split from `from_row` on, as one batch.
pub async fn read_split(
    source: &dyn Source,
    table: &SourceTable,
    split: &Split,
    from_row: u64,
    cx: &ReadContext,
) -> RecordBatch {
    let stream = source.open(table, split, from_row, cx).unwrap();
    let batches = drain(stream, from_row).await;
    for batch in &batches {
        assert!(batch.num_rows() <= cx.batch_size.rows, "a batch is larger than allowed");
        assert_eq!(batch.schema(), *table.schema.arrow(), "a batch has another schema");
    }
    concat_batches(table.schema.arrow(), &batches).unwrap()
}

/// A whole table, several splits at once, in source order.
pub async fn read_table(source: &dyn Source, table: &SourceTable, way: Way) -> RecordBatch {
    let cx = way.context();
    let splits: Vec<RecordBatch> = futures::stream::iter(&table.splits)
        .map(|split| async { Ok::<_, ()>(read_split(source, table, split, 0, &cx).await) })
        .buffered(way.parallelism)
        .try_collect()
        .await
        .unwrap();
    concat_batches(table.schema.arrow(), &splits).unwrap()
}
