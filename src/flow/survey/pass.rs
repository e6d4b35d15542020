//! Reading the ids of all rows of a target, several splits at once.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::ArrayRef;
use futures::StreamExt;
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::folder::Folder;
use crate::error::{Error, Kind, Result};
use crate::flow::plan::{Plan, TargetSplit, TargetTable};
use crate::flow::{
    Batch, Controls, MemoryBudget, OnBadRow, Pipeline, ReadContext, blocking, sort_out,
};
use crate::source::Columns;
use crate::table::RowRules;
use crate::transform::SplitContext;

/// A target whose ids are looked at.
pub struct Pass<'a> {
    pub plan: &'a Plan,
    pub target: &'a TargetTable,
    /// How many splits are read at once.
    pub workers: usize,
    /// Where what does not fit in memory goes.
    pub folder: Arc<Folder>,
    pipeline: &'a Pipeline,
    controls: &'a Controls,
    cx: ReadContext,
}

/// Ids as they come out of some of the transforms.
pub struct Seen {
    /// The ids, and where they come from.
    pub ids: Batch,
    /// Which of them the target holds, if it was asked.
    pub held: Option<ArrayRef>,
}

/// How far ids are passed on before they are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Depth {
    /// Through this many transforms.
    pub steps: usize,
    /// And to the target, to be looked up.
    pub held: bool,
}

impl<'a> Pass<'a> {
    pub fn new(
        pipeline: &'a Pipeline,
        plan: &'a Plan,
        target: &'a TargetTable,
        controls: &'a Controls,
    ) -> Result<Self> {
        let settings = &pipeline.settings;
        let workers = settings.parallelism.clamp(1, target.splits.len().max(1));
        let memory = MemoryBudget::new(settings.memory / 2);
        let cx = ReadContext::new(memory, pipeline.batch_size(), workers)?;
        Ok(Pass {
            plan,
            target,
            workers,
            folder: Arc::new(Folder::below(&settings.state_dir)),
            pipeline,
            controls,
            cx: ReadContext {
                cancel: controls.cancel.child_token(),
                on_bad_row: settings.on_bad_row,
                ..cx
            },
        })
    }

    /// Bytes that may be kept of what was seen: a quarter of the run's memory. Half of it is for
    /// the batches that are being read.
    pub fn memory(&self) -> u64 {
        self.pipeline.settings.memory / 4
    }

    /// Hands all ids to `look`, in any order, along with the state of one of the workers.
    pub async fn each<S, F>(&self, depth: Depth, states: Vec<S>, look: F) -> Result<Vec<S>>
    where
        S: Send + 'static,
        F: Fn(&mut S, &Seen) -> Result<ControlFlow<()>> + Clone + Send + 'static,
    {
        // Whatever ends the pass early ends its readers too.
        let cancel = self.cx.cancel.child_token();
        let _guard = cancel.clone().drop_guard();
        let cx = ReadContext { cancel, ..self.cx.clone() };
        let next = AtomicUsize::new(0);
        let work = async |state| {
            let done = self.work(&cx, &next, depth, state, &look).await;
            if done.is_err() {
                cx.cancel.cancel();
            }
            done
        };
        // All are waited for: what one of them has on disk would outlive it otherwise.
        let mut done = join_all(states.into_iter().map(work)).await;
        let failed =
            |done: &Result<S>| done.as_ref().is_err_and(|error| error.kind() != Kind::Interrupted);
        // The others were only cut off by it.
        if let Some(first) = done.iter().position(failed) {
            done.swap(0, first);
        }
        done.into_iter().collect()
    }

    /// Takes splits until none is left.
    async fn work<S, F>(
        &self,
        cx: &ReadContext,
        next: &AtomicUsize,
        depth: Depth,
        mut state: S,
        look: &F,
    ) -> Result<S>
    where
        S: Send + 'static,
        F: Fn(&mut S, &Seen) -> Result<ControlFlow<()>> + Clone + Send + 'static,
    {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(split) = self.target.splits.get(index) else { return Ok(state) };
            let split_cx = self.split_context(index).await?;
            let table = &self.plan.tables[split.table];
            let source = &table.source;
            let mut batches = self.pipeline.source.open(
                source,
                &source.splits[split.split],
                0,
                Columns::Ids,
                cx,
            )?;
            while let Some(batch) = self.until_stopped(cx, batches.next()).await? {
                let ids = placed(batch?, split);
                let (chain, split_cx) = (table.transforms.clone(), split_cx.clone());
                let ids = match depth.steps {
                    0 => ids,
                    _ => blocking(move || chain.apply_ids(depth.steps, ids, &split_cx)).await?,
                };
                // What has no id in the source has none at the target.
                let (ids, _) = sort_out(ids, &RowRules::default(), OnBadRow::Reject)?;
                let held = match depth.held {
                    true => {
                        let ids = ids.rows.column(0);
                        let held = self.pipeline.sink.existing_ids(&self.target.write, ids);
                        Some(self.until_stopped(cx, held).await??)
                    }
                    false => None,
                };
                let look = look.clone();
                let flow;
                (state, flow) = blocking(move || {
                    let flow = look(&mut state, &Seen { ids, held })?;
                    Ok((state, flow))
                })
                .await?;
                if flow.is_break() {
                    return Ok(state);
                }
            }
        }
    }

    /// What transforms are told of a split; of rows to leave out as much as is known by now.
    async fn split_context(&self, index: usize) -> Result<SplitContext> {
        let on_bad_row = self.pipeline.settings.on_bad_row;
        let cx = SplitContext { on_bad_row, ..SplitContext::default() };
        let Some(left_out) = self.target.left_out.get().cloned() else { return Ok(cx) };
        let left_out = blocking(move || left_out.of_split(index)).await?;
        Ok(SplitContext { left_out, ..cx })
    }

    async fn until_stopped<T>(&self, cx: &ReadContext, work: impl Future<Output = T>) -> Result<T> {
        let stopped = |token: &CancellationToken| token.clone().cancelled_owned();
        tokio::select! {
            biased;
            () = stopped(&self.controls.stop) => Err(Error::interrupted()),
            () = stopped(&cx.cancel) => Err(Error::interrupted()),
            done = work => Ok(done),
        }
    }
}

/// A source knows the place of a row in its table; here its place among all rows of the target
/// counts.
pub fn placed(mut batch: Batch, split: &TargetSplit) -> Batch {
    batch.place.position = split.first_row + batch.place.first_row;
    batch
}
