//! Moving one split: read, transform, write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;

use super::Run;
use super::log::{Ahead, Fate, Pace, SplitLog};
use super::state::{TableRun, TargetRun};
use super::tee::Tee;
use super::work::Claim;
use crate::error::{Error, Result};
use crate::flow::check_end;
use crate::flow::survey::{not_surveyed, placed};
use crate::flow::{
    Batch, Chain, Meter, ReadContext, Rejected, RejectsFolder, TargetSplit, Totals, blocking,
    sort_out,
};
use crate::ownership::Hold;
use crate::sink::{Granularity, Written};
use crate::source::{Columns, Source};
use crate::table::{Place, RowRules, Split};
use crate::transform::SplitContext;

impl Run {
    pub(super) async fn move_split(
        &self,
        claim: Claim,
        number: usize,
        pace: &mut Pace,
    ) -> Result<()> {
        let target = &self.targets[claim.target];
        let opened = target.opened()?;
        let split = &target.plan.splits[number];
        let table = &self.tables[split.table];
        let source = &table.plan.source.splits[split.split];
        let earlier = target.plan.progress.splits[number];
        let ahead = match self.pipeline.sink.granularity() {
            Granularity::Splits => Ahead::Nothing,
            Granularity::Rows if opened.sink.one_at_a_time() => Ahead::Split,
            Granularity::Rows => Ahead::Splits,
        };
        let log = SplitLog::begin(&self.work, claim, number, ahead, pace);
        let on_bad_row = self.pipeline.settings.on_bad_row;
        let transforming =
            SplitContext { on_bad_row, ..split_context(table, target, number).await? };
        let mut moving = Moving {
            table,
            split,
            number,
            rules: &target.plan.plan.rows,
            rejects: opened.rejects.as_ref(),
            transforming,
            log,
            writer: Tee::open(opened, &split.as_written(source)).await?,
            source: (&*self.pipeline.source, source),
            spoiled: &self.spoiled,
            hold: &self.hold,
        };
        let meter = &table.meter;
        let cx = ReadContext {
            cancel: self.controls.cancel.child_token(),
            meter: Arc::clone(meter),
            ..self.cx.clone()
        };
        // Who writes whole splits needs all rows again.
        let again = opened.stage.is_some() || table.plan.transforms.writes_beside();
        let from_row = if again { 0 } else { earlier.settled };
        let table_source = &table.plan.source;
        let mut batches =
            self.pipeline.source.open(table_source, source, from_row, Columns::All, &cx)?;
        let mut end = from_row;
        loop {
            let waiting_since = Instant::now();
            let next = tokio::select! {
                biased;
                () = self.controls.stop.cancelled() => return Err(Error::interrupted()),
                next = batches.next() => next,
            };
            meter.waiting_for_source.add_since(waiting_since);
            let mut next = next.transpose()?;
            if next.is_none() {
                break;
            }
            while let Some(batch) = next {
                let (batch, fate, rest) = moving.log.cut(batch);
                end += batch.len();
                moving.pass(batch, fate).await?;
                next = rest;
            }
        }
        if let Some(why) = check_end(&*self.pipeline.source, table_source, source, end).await? {
            table.warn(&why);
        }
        moving.finish(Place::of(&table_source.name, source, 0)).await
    }
}

/// A split on its way.
struct Moving<'a> {
    table: &'a TableRun,
    split: &'a TargetSplit,
    /// Its number among the target's.
    number: usize,
    /// Which rows the target takes.
    rules: &'a RowRules,
    /// Where the others go, if they don't stop the run.
    rejects: Option<&'a Arc<RejectsFolder>>,
    transforming: SplitContext,
    log: SplitLog<'a>,
    writer: Tee,
    source: (&'a dyn Source, &'a Split),
    spoiled: &'a AtomicBool,
    hold: &'a Hold,
}

/// How often the source is looked at while a write goes on.
const LOOK: Duration = Duration::from_secs(1);

impl Moving<'_> {
    /// Transforms a batch and writes it, and notes that in the journal.
    async fn pass(&mut self, batch: Batch, fate: Fate) -> Result<()> {
        let meter = &self.table.meter;
        let first = batch.place.first_row;
        let end = first + batch.len();
        let (rows_read, bytes_read) = (batch.len(), batch.bytes());
        let read = Totals { rows_read, bytes_read, ..Totals::default() };
        if fate != Fate::Settled {
            meter.add(&read);
        }
        let transforming_since = Instant::now();
        let chain = self.table.plan.transforms.clone();
        let batch = placed(batch, self.split);
        let (batch, mut transformed) = transform(chain, &self.transforming, batch).await?;
        let (batch, rejected) = sort_out(batch, self.rules, self.transforming.on_bad_row)?;
        meter.transforming.add_since(transforming_since);
        if fate == Fate::Settled {
            self.writer.stage(batch).await?;
            return still_there(self.source, self.spoiled).await;
        }
        if let Some(rejected) = rejected {
            transformed.rows_rejected = rejected.count();
            self.reject(first, rejected).await?;
        }
        meter.add(&transformed);
        let mut written = Totals::default();
        if !batch.is_empty() {
            self.log.sending(first, end).await?;
            self.hold.confirm().await?;
            let writing_since = Instant::now();
            written = of_written(self.write(batch, fate).await?);
            meter.writing.add_since(writing_since);
            meter.add(&written);
        }
        self.log.settled(end, read + transformed + written);
        Ok(())
    }

    /// Puts bad rows aside, of the batch that begins with row `first`. They are durable before the
    /// batch is settled.
    async fn reject(&mut self, first: u64, rejected: Rejected) -> Result<()> {
        let Some(folder) = self.rejects.cloned() else {
            return Err(Error::internal("There is no place for rejected rows"));
        };
        self.table.reject(&rejected);
        let number = self.number;
        blocking(move || folder.write(number, first, &rejected)).await
    }

    /// Writes rows. They may still lie in the source's files, and must be there until the target has
    /// taken them; a write of rows that are gone could fail for as long as it is tried again.
    async fn write(&mut self, batch: Batch, fate: Fate) -> Result<Written> {
        let write = self.writer.write(batch, fate);
        tokio::pin!(write);
        let written = loop {
            tokio::select! {
                biased;
                written = &mut write => break written,
                () = tokio::time::sleep(LOOK) => still_there(self.source, self.spoiled).await?,
            }
        };
        still_there(self.source, self.spoiled).await?;
        written
    }

    async fn finish(self, place: Place) -> Result<()> {
        let receipts = self.writer.finish().await?;
        let chain = self.table.plan.transforms.clone();
        if chain.writes_beside() {
            blocking(move || chain.finish_split(&place)).await?;
        }
        self.log.finished(receipts);
        Ok(())
    }
}

/// That the rows which are written are those that were read.
async fn still_there((source, split): (&dyn Source, &Split), spoiled: &AtomicBool) -> Result<()> {
    source.still_there(split).await.map_err(|error| {
        spoiled.store(true, Ordering::Release);
        error.help("rows of this split may be in the target with other values: let whatever writes to the source finish, then begin anew with --restart")
    })
}

/// Transforms compute, and may write to files: not where other splits wait to be moved on. Gives
/// what they counted, too.
async fn transform(chain: Chain, cx: &SplitContext, batch: Batch) -> Result<(Batch, Totals)> {
    if chain.is_empty() {
        return Ok((batch, Totals::default()));
    }
    let meter = Arc::new(Meter::default());
    let cx = SplitContext { meter: Arc::clone(&meter), ..cx.clone() };
    let batch = blocking(move || chain.apply(batch, &cx)).await?;
    Ok((batch, meter.totals()))
}

fn of_written(written: Written) -> Totals {
    let Written { rows, skipped, replaced, uncertain } = written;
    Totals {
        rows_written: rows,
        rows_skipped: skipped,
        rows_replaced: replaced,
        rows_uncertain: uncertain,
        ..Totals::default()
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
    Ok(SplitContext { meter, left_out, ..SplitContext::default() })
}
