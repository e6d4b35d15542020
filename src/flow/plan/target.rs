//! A target, and all that goes into it.

use std::sync::{Arc, OnceLock};

use super::{Alone, merge};
use crate::error::{Error, Result};
use crate::flow::{LeftOut, Pipeline, SavedTarget, SplitProgress, TargetProgress, Totals};
use crate::sink::{Decision, Earlier, EarlierSplit, Granularity, TableToWrite, TargetPlan};
use crate::table::Split;

/// A target, and what goes into it: one table of the source, or several one after the other, which
/// the sink sees as one.
pub struct TargetTable {
    /// The table as the sink sees it, after all transforms.
    pub write: TableToWrite,
    /// The same as the stage sees it.
    pub staged: TableToWrite,
    /// What the sink would do.
    pub plan: TargetPlan,
    /// What the stage would do.
    pub stage: Option<TargetPlan>,
    /// Its tables by their numbers in the plan, in source order.
    pub tables: Vec<usize>,
    /// The splits of all its tables, in source order.
    pub splits: Vec<TargetSplit>,
    /// How far an interrupted run came with it.
    pub progress: TargetProgress,
    /// True when an interrupted run may have begun to prepare it.
    pub resumed: bool,
    /// Rows that `dedupe` leaves out, once the ids have been looked at.
    pub left_out: OnceLock<Arc<LeftOut>>,
}

/// Which of the two that rows go to is told of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::flow) enum Side {
    /// The sink.
    Sink,
    /// The stage beside it.
    Stage,
}

/// One split on its way to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSplit {
    /// Number of its table in the plan.
    pub table: usize,
    /// Its number in that table.
    pub split: usize,
    /// Its number among all splits of the target.
    pub index: u32,
    /// Rows of the target's splits before it.
    pub first_row: u64,
    /// Rows in it.
    pub rows: u64,
}

impl TargetTable {
    pub(super) async fn make(
        pipeline: &Pipeline,
        all: &[Alone],
        tables: Vec<usize>,
    ) -> Result<TargetTable> {
        let members: Vec<_> = tables.iter().map(|table| &all[*table]).collect();
        let write = as_written(&members)?;
        let plan = match members[..] {
            [table] => table.target.clone(),
            _ => {
                let mut plan = pipeline.sink.plan(&write).await?;
                if plan.target != members[0].target.target {
                    return Err(Error::internal(format!(
                        "{} and {} are one target alone, and two when merged",
                        members[0].target.target, plan.target
                    )));
                }
                let names: Vec<_> =
                    members.iter().map(|table| table.source.name.as_str()).collect();
                plan.notes.insert(0, format!("merged: {}", merge::joined(&names, 20)));
                plan
            }
        };
        let stage = match &pipeline.stage {
            Some(stage) => Some(stage.plan(&merge::as_staged(&members, &write)).await?),
            None => None,
        };
        Ok(TargetTable::of(all, tables, write, plan, stage))
    }

    fn of(
        all: &[Alone],
        tables: Vec<usize>,
        write: TableToWrite,
        plan: TargetPlan,
        stage: Option<TargetPlan>,
    ) -> TargetTable {
        let splits = splits_of(all, &tables);
        let members: Vec<_> = tables.iter().map(|table| &all[*table]).collect();
        let staged = merge::as_staged(&members, &write);
        let progress = TargetProgress::none(splits.len());
        TargetTable {
            write,
            staged,
            plan,
            stage,
            tables,
            splits,
            progress,
            resumed: false,
            left_out: OnceLock::new(),
        }
    }

    /// The target as `saved` says it was planned. Of what an interrupted run did, what the sink and
    /// the stage still hold is kept.
    pub(super) async fn resume(
        pipeline: &Pipeline,
        all: &[Alone],
        saved: &SavedTarget,
        progress: &TargetProgress,
    ) -> Result<TargetTable> {
        let members: Vec<_> = saved.tables.iter().map(|table| &all[*table]).collect();
        let (plan, stage) = (saved.plan.clone(), saved.stage.clone());
        let write = as_written(&members)?;
        let mut target = TargetTable::of(all, saved.tables.clone(), write, plan, stage);
        target.progress = progress.clone();
        target.resumed = true;
        if target.progress.completion.is_some() {
            return Ok(target);
        }
        if target.progress.memo.is_none() {
            return Ok(target);
        }
        let TargetTable { write, staged, plan, stage, .. } = &target;
        let kept = pipeline.sink.kept(write, plan, &target.earlier(Side::Sink)).await?;
        let kept_in_stage = match (&pipeline.stage, stage) {
            (Some(sink), Some(plan)) if plan.decision != Decision::Skip => {
                sink.kept(staged, plan, &target.earlier(Side::Stage)).await?
            }
            _ => vec![true; kept.len()],
        };
        let by_rows = pipeline.sink.granularity() == Granularity::Rows;
        let kept = kept.into_iter().zip(kept_in_stage);
        for (split, (kept, staged)) in target.progress.splits.iter_mut().zip(kept) {
            if split.finished && !kept || !split.finished && !by_rows {
                *split = SplitProgress::default();
            }
            split.finished &= staged;
        }
        Ok(target)
    }

    /// False when the target is left alone.
    pub fn moves(&self) -> bool {
        self.plan.decision != Decision::Skip
    }

    /// True when an interrupted run has completed it.
    pub fn is_complete(&self) -> bool {
        self.progress.completion.is_some()
    }

    /// What the sink, or the stage, is told of interrupted runs, along with what it noted then.
    pub(in crate::flow) fn earlier(&self, side: Side) -> Earlier {
        let memo = self.progress.memo.as_ref().map(|memo| match side {
            Side::Sink => memo.sink.clone(),
            Side::Stage => memo.stage.clone(),
        });
        let splits = self.splits.iter().zip(&self.progress.splits).map(|(split, progress)| {
            let receipt = match side {
                Side::Sink => progress.receipts.sink,
                Side::Stage => progress.receipts.stage,
            };
            let (first_row, rows, progress) = (split.first_row, split.rows, *progress);
            EarlierSplit { first_row, rows, progress, receipt }
        });
        Earlier { memo: memo.unwrap_or_default(), splits: splits.collect() }
    }

    /// What interrupted runs did with the rows of one of its tables, given by number.
    pub fn totals_before(&self, table: usize) -> Totals {
        let splits = self.splits.iter().zip(&self.progress.splits);
        splits.filter(|(split, _)| split.table == table).map(|(_, done)| done.totals).sum()
    }

    /// True when several tables of the source go here.
    pub fn is_merged(&self) -> bool {
        self.tables.len() > 1
    }
}

impl TargetSplit {
    /// The split as the sink sees it.
    pub fn as_written(&self, source: &Split) -> Split {
        Split { index: self.index, first_row: self.first_row, ..source.clone() }
    }
}

fn as_written(members: &[&Alone]) -> Result<TableToWrite> {
    match members {
        [table] => Ok(table.write.clone()),
        _ => merge::merged(members),
    }
}

fn splits_of(all: &[Alone], tables: &[usize]) -> Vec<TargetSplit> {
    let mut splits = Vec::new();
    let mut first_row = 0;
    for &table in tables {
        for (split, rows) in all[table].source.splits.iter().map(|split| split.rows).enumerate() {
            let index = u32::try_from(splits.len()).unwrap_or(u32::MAX);
            splits.push(TargetSplit { table, split, index, first_row, rows });
            first_row += rows;
        }
    }
    splits
}
