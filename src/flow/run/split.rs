//! Moving one split: read, transform, write.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;

use super::Run;
use super::state::{TableRun, TargetRun};
use crate::error::{Error, Result};
use crate::flow::survey::{not_surveyed, placed};
use crate::flow::{Batch, ReadContext, TargetSplit, blocking};
use crate::sink::{SplitWriter, Written};
use crate::source::Columns;
use crate::table::Split;
use crate::transform::SplitContext;

impl Run {
    pub(super) async fn move_split(&self, target: &TargetRun, number: usize) -> Result<()> {
        let split = &target.plan.splits[number];
        let table = &self.tables[split.table];
        let source = &table.plan.source.splits[split.split];
        let meter = &table.meter;
        let cx = ReadContext {
            cancel: self.controls.cancel.child_token(),
            meter: Arc::clone(meter),
            ..self.cx.clone()
        };
        let transforming = split_context(table, target, number).await?;
        let mut writer = Tee::open(target, &split.as_written(source)).await?;
        let mut batches =
            self.pipeline.source.open(&table.plan.source, source, 0, Columns::All, &cx)?;
        let mut rows = 0;
        loop {
            let waiting_since = Instant::now();
            let next = tokio::select! {
                biased;
                () = self.controls.stop.cancelled() => return Err(Error::interrupted()),
                next = batches.next() => next,
            };
            meter.waiting_for_source.add_since(waiting_since);
            let Some(batch) = next.transpose()? else { break };
            rows += batch.len();
            meter.rows_read.add(batch.len());
            meter.bytes_read.add(batch.bytes());
            let transforming_since = Instant::now();
            let batch = transform(table, split, &transforming, batch).await?;
            meter.transforming.add_since(transforming_since);
            if batch.is_empty() {
                continue;
            }
            let writing_since = Instant::now();
            let written = writer.write(batch).await?;
            meter.writing.add_since(writing_since);
            meter.rows_written.add(written.rows);
            meter.rows_skipped.add(written.skipped);
            meter.rows_replaced.add(written.replaced);
        }
        if rows != split.rows {
            return Err(Error::source(format!(
                "Split {} was planned with {} rows, but {rows} came",
                source.index, split.rows
            ))
            .help("the source changed while it was read; run again when it rests"));
        }
        writer.finish().await
    }
}

/// What transforms are told of a split.
async fn split_context(
    table: &TableRun,
    target: &TargetRun,
    number: usize,
) -> Result<SplitContext> {
    let meter = Arc::clone(&table.meter);
    let left_out = match (target.plan.left_out.get().cloned(), table.plan.transforms.dedupe()) {
        (Some(left_out), _) => blocking(move || left_out.of_split(number)).await?,
        (None, None) => Default::default(),
        (None, Some(_)) => return Err(not_surveyed()),
    };
    Ok(SplitContext { meter, left_out })
}

/// Transforms compute, and may write to files: not where other splits wait to be moved on.
async fn transform(
    table: &TableRun,
    split: &TargetSplit,
    cx: &SplitContext,
    batch: Batch,
) -> Result<Batch> {
    if table.plan.transforms.is_empty() {
        return Ok(batch);
    }
    let (chain, cx) = (table.plan.transforms.clone(), cx.clone());
    let batch = placed(batch, split);
    blocking(move || chain.apply(batch, &cx)).await
}

/// The writers of one split: the sink's, and the stage's beside it.
struct Tee {
    main: Box<dyn SplitWriter>,
    stage: Option<Box<dyn SplitWriter>>,
}

impl Tee {
    async fn open(target: &TargetRun, split: &Split) -> Result<Tee> {
        let Some(writer) = target.writer.get() else {
            return Err(Error::internal("A split was opened before its target was prepared"));
        };
        let main = writer.open_split(split).await?;
        let stage = match target.stage.get() {
            Some(Some(stage)) => Some(stage.open_split(split).await?),
            _ => None,
        };
        Ok(Tee { main, stage })
    }

    async fn write(&mut self, batch: Batch) -> Result<Written> {
        let Some(stage) = &mut self.stage else { return self.main.write(batch).await };
        let copy = Batch {
            rows: batch.rows.clone(),
            place: batch.place.clone(),
            permit: batch.permit.clone(),
        };
        let staged = async { stage.write(copy).await.map_err(|error| error.at("stage")) };
        let (written, _) = tokio::try_join!(self.main.write(batch), staged)?;
        Ok(written)
    }

    async fn finish(self) -> Result<()> {
        if let Some(stage) = self.stage {
            stage.finish().await.map_err(|error| error.at("stage"))?;
        }
        self.main.finish().await
    }
}
