//! Reading for a moment to see how fast it goes: what a time estimate can honestly rest on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::try_join_all;

use crate::error::{Error, Result};
use crate::flow::{Counter, Pipeline, Plan, ReadContext};
use crate::source::{Columns, SourceTable};
use crate::table::Split;

/// How fast the source was read, with nothing behind it to wait for.
#[derive(Debug, Clone, Copy)]
pub struct ReadSpeed {
    /// Bytes of rows that were read, as they lie in memory.
    pub bytes: u64,
    /// Bytes of all rows that the plan moves, counted the same way.
    pub bytes_planned: u64,
    /// How long it took.
    pub time: Duration,
}

impl ReadSpeed {
    /// Bytes a second.
    pub fn bytes_per_s(&self) -> f64 {
        self.bytes as f64 / self.time.as_secs_f64().max(1e-6)
    }

    /// How long reading everything takes at this speed; `None` if nothing was read.
    pub fn time_for_all(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.bytes_planned as f64 / self.bytes_per_s()).ok()
    }
}

/// Reads rows of `plan`, as many splits at once as a run would, for `limit` at most, and drops
/// them.
///
/// # Errors
/// Whatever keeps the source from being read: a run would fail the same way.
pub async fn read_speed(pipeline: &Pipeline, plan: &Plan, limit: Duration) -> Result<ReadSpeed> {
    let parallelism = pipeline.settings.parallelism.max(1);
    let cx = pipeline.read_context()?;
    let tables = || plan.tables.iter().filter(|table| table.moves()).map(|table| &table.source);
    let splits: Vec<_> =
        tables().flat_map(|table| table.splits.iter().map(move |split| (table, split))).collect();
    let bytes_planned =
        tables().map(|table| table.rows.saturating_mul(table.schema.row_bytes() as u64)).sum();
    let (next, bytes) = (AtomicUsize::new(0), Counter::default());
    let readers = (0..parallelism.min(splits.len())).map(|_| async {
        while let Some((table, split)) = splits.get(next.fetch_add(1, Ordering::Relaxed)) {
            read(pipeline, table, split, &cx, &bytes).await?;
        }
        Ok::<(), Error>(())
    });
    let start = Instant::now();
    if let Ok(ended) = tokio::time::timeout(limit, try_join_all(readers)).await {
        ended?;
    }
    Ok(ReadSpeed { bytes: bytes.get(), bytes_planned, time: start.elapsed() })
}

async fn read(
    pipeline: &Pipeline,
    table: &SourceTable,
    split: &Split,
    cx: &ReadContext,
    bytes: &Counter,
) -> Result<()> {
    let row_bytes = table.schema.row_bytes() as u64;
    let mut batches = pipeline.source.open(table, split, 0, Columns::All, cx)?;
    while let Some(batch) = batches.next().await.transpose()? {
        bytes.add(batch.len() * row_bytes);
    }
    Ok(())
}
