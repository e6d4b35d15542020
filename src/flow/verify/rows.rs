//! Reading all rows of one side of a comparison, several splits at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures::future::{BoxFuture, try_join_all};
use futures::{FutureExt, StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::flow::plan::{TablePlan, TargetSplit, TargetTable};
use crate::flow::survey::placed;
use crate::flow::{
    Batch, BatchStream, Chain, Controls, MemoryBudget, OnBadRow, Pipeline, ReadContext, blocking,
    check_end, sort_out,
};
use crate::source::{Columns, Source, SourceTable};
use crate::table::RowRules;
use crate::transform::SplitContext;

/// How rows are read.
pub struct Reading<'a> {
    /// How many splits are read at once.
    pub workers: usize,
    controls: &'a Controls,
    cx: ReadContext,
}

/// What is read.
pub trait Side {
    /// Splits that there are.
    fn splits(&self) -> usize;

    /// Opens one of them.
    fn open(&self, split: usize, cx: &ReadContext) -> BoxFuture<'_, Result<BatchStream>>;
}

impl<'a> Reading<'a> {
    /// Half of the memory is for the batches that are read; the other half is for what they are
    /// compared with.
    pub fn new(pipeline: &Pipeline, controls: &'a Controls) -> Result<Reading<'a>> {
        let settings = &pipeline.settings;
        let workers = settings.parallelism.max(1);
        let memory = MemoryBudget::new(settings.memory / 2);
        let cx = ReadContext::new(memory, pipeline.batch_size(), workers)?;
        let on_bad_row = settings.on_bad_row;
        let cx = ReadContext { cancel: controls.cancel.child_token(), on_bad_row, ..cx };
        Ok(Reading { workers, controls, cx })
    }

    /// Hands all batches to `look`, in any order, along with the state of one of the workers.
    pub async fn each<S: Default>(
        &self,
        side: &impl Side,
        look: impl AsyncFn(&mut S, Batch) -> Result<()>,
    ) -> Result<Vec<S>> {
        let next = AtomicUsize::new(0);
        let worker = async || {
            let mut state = S::default();
            loop {
                let split = next.fetch_add(1, Ordering::Relaxed);
                if split >= side.splits() {
                    return Ok::<_, Error>(state);
                }
                let mut batches = self.until_stopped(side.open(split, &self.cx)).await??;
                while let Some(batch) = self.until_stopped(batches.next()).await? {
                    self.until_stopped(look(&mut state, batch?)).await??;
                }
            }
        };
        try_join_all((0..self.workers.min(side.splits().max(1))).map(|_| worker())).await
    }

    /// Does some work, unless the user ends it.
    pub async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let stopped = |token: &CancellationToken| token.clone().cancelled_owned();
        tokio::select! {
            biased;
            () = stopped(&self.controls.stop) => Err(Error::interrupted()),
            () = stopped(&self.controls.cancel) => Err(Error::interrupted()),
            done = work => Ok(done),
        }
    }
}

/// The rows of the source that go to a target, as they leave the transforms.
pub struct SourceSide<'a> {
    pub pipeline: &'a Arc<Pipeline>,
    pub tables: &'a [&'a TablePlan],
    pub target: &'a TargetTable,
    /// All columns, or the ids alone.
    pub columns: Columns,
    /// Where it is noted which rows do not come.
    pub not_compared: &'a Arc<NotCompared>,
}

/// Rows of the source that are not looked for at the target, by split: reading a split again notes the same
/// once more.
#[derive(Debug)]
pub struct NotCompared(Vec<[AtomicU64; 2]>);

impl NotCompared {
    /// For so many splits.
    pub fn new(splits: usize) -> Arc<NotCompared> {
        Arc::new(NotCompared((0..splits).map(|_| Default::default()).collect()))
    }

    fn note(&self, split: usize, rejected: u64, not_shown: u64) {
        if let Some(of_split) = self.0.get(split) {
            of_split[0].store(rejected, Ordering::Relaxed);
            of_split[1].store(not_shown, Ordering::Relaxed);
        }
    }

    /// Rows that are bad, and put aside.
    pub fn rejected(&self) -> u64 {
        self.0.iter().map(|split| split[0].load(Ordering::Relaxed)).sum()
    }

    /// Rows that the source counts and does not give back.
    pub fn not_shown(&self) -> u64 {
        self.0.iter().map(|split| split[1].load(Ordering::Relaxed)).sum()
    }
}

impl SourceSide<'_> {
    /// True when the transforms let no id come twice.
    pub fn ids_are_unique(&self) -> bool {
        let first = self.target.tables.first().map(|table| self.tables[*table]);
        first.is_some_and(|table| table.transforms.makes_unique())
    }
}

impl Side for SourceSide<'_> {
    fn splits(&self) -> usize {
        self.target.splits.len()
    }

    fn open(&self, number: usize, cx: &ReadContext) -> BoxFuture<'_, Result<BatchStream>> {
        let cx = cx.clone();
        async move {
            let split = self.target.splits[number].clone();
            let left_out = match self.target.left_out.get().cloned() {
                Some(left_out) => blocking(move || left_out.of_split(number)).await?,
                None => Default::default(),
            };
            let table = self.tables[split.table];
            let source = &table.source;
            let on_bad_row = self.pipeline.settings.on_bad_row;
            // Whether a row was rejected is not told by its id.
            let columns = match on_bad_row {
                OnBadRow::Fail => self.columns,
                OnBadRow::Reject => Columns::All,
            };
            let batches =
                self.pipeline.source.open(source, &source.splits[split.split], 0, columns, &cx)?;
            let write = &self.target.write;
            let passing = Passing {
                chain: table.transforms.clone(),
                cx: SplitContext { left_out, comparing: true, on_bad_row, ..Default::default() },
                rules: self.target.plan.rows.clone(),
                id: (self.columns == Columns::Ids).then(|| write.schema.id_index()),
                columns,
                pipeline: Arc::clone(self.pipeline),
                table: Arc::clone(source),
                split,
                number,
                not_compared: Arc::clone(self.not_compared),
            };
            Ok(passing.pass(batches))
        }
        .boxed()
    }
}

/// A split on its way through the transforms.
struct Passing {
    chain: Chain,
    cx: SplitContext,
    /// Which rows the target takes.
    rules: RowRules,
    columns: Columns,
    /// The id column, where nothing else is asked for.
    id: Option<usize>,
    pipeline: Arc<Pipeline>,
    table: Arc<SourceTable>,
    split: TargetSplit,
    /// The split's number among those of the target.
    number: usize,
    not_compared: Arc<NotCompared>,
}

impl Passing {
    fn pass(self, batches: BatchStream) -> BatchStream {
        let start = (self, batches, 0, 0);
        Box::pin(stream::try_unfold(start, |(passing, mut batches, came, rejected)| async move {
            match batches.next().await.transpose()? {
                Some(batch) => {
                    let came = came + batch.len();
                    let (batch, bad) = passing.transform(placed(batch, &passing.split)).await?;
                    Ok(Some((batch, (passing, batches, came, rejected + bad))))
                }
                None => {
                    let split = &passing.table.splits[passing.split.split];
                    let table = &passing.table;
                    let why = check_end(&*passing.pipeline.source, table, split, came).await;
                    let why = why.map_err(|error| error.at(format!("table {}", table.name)))?;
                    if let Some(why) = why {
                        tracing::warn!(table = %table.name, split = split.index, "{why}");
                    }
                    passing.pipeline.source.still_there(split).await?;
                    let not_shown = split.rows.saturating_sub(came);
                    passing.not_compared.note(passing.number, rejected, not_shown);
                    Ok(None)
                }
            }
        }))
    }

    /// What is left of a batch, and how many of its rows are bad.
    async fn transform(&self, batch: Batch) -> Result<(Batch, u64)> {
        let rejects = self.cx.on_bad_row == OnBadRow::Reject;
        if self.chain.is_empty() && !rejects {
            return Ok((batch, 0));
        }
        let (chain, cx, columns) = (self.chain.clone(), self.cx.clone(), self.columns);
        let (rules, id) = (self.rules.clone(), self.id);
        blocking(move || match columns {
            Columns::Ids => Ok((chain.apply_ids(chain.len(), batch, &cx)?, 0)),
            Columns::All if !rejects => Ok((chain.apply(batch, &cx)?, 0)),
            // What the run put aside is not expected at the target.
            Columns::All => {
                let (batch, bad) = sort_out(chain.apply(batch, &cx)?, &rules, OnBadRow::Reject)?;
                let bad = bad.map_or(0, |bad| bad.count());
                Ok(match id {
                    Some(id) => (only_ids(batch, id)?, bad),
                    None => (batch, bad),
                })
            }
        })
        .await
    }
}

fn only_ids(batch: Batch, id: usize) -> Result<Batch> {
    let rows = batch.rows.project(&[id]);
    let rows = rows.map_err(|error| Error::internal("A batch has no ids").because(error))?;
    Ok(Batch { rows, ..batch })
}

/// The rows of a target that is read from end to end.
pub struct TargetSide {
    pub source: Box<dyn Source>,
    pub table: SourceTable,
    /// Rows at its start that were there before.
    pub old_rows: u64,
}

impl Side for TargetSide {
    fn splits(&self) -> usize {
        self.table.splits.len()
    }

    fn open(&self, split: usize, cx: &ReadContext) -> BoxFuture<'_, Result<BatchStream>> {
        let split = &self.table.splits[split];
        // A split that begins with old rows is read from its first new one on.
        let from_row = self.old_rows.saturating_sub(split.first_row).min(split.rows);
        let opened = self.source.open(&self.table, split, from_row, Columns::All, cx);
        std::future::ready(opened).boxed()
    }
}
