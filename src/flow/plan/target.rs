//! A target, and all that goes into it.

use std::sync::{Arc, OnceLock};

use super::{Alone, merge};
use crate::error::{Error, Result};
use crate::flow::{LeftOut, Pipeline};
use crate::sink::{Decision, TableToWrite, TargetPlan};
use crate::table::Split;

/// A target, and what goes into it: one table of the source, or several one after the other, which
/// the sink sees as one.
pub struct TargetTable {
    /// The table as the sink sees it, after all transforms.
    pub write: TableToWrite,
    /// What the sink would do.
    pub plan: TargetPlan,
    /// What the stage would do.
    pub stage: Option<TargetPlan>,
    /// Its tables by their numbers in the plan, in source order.
    pub tables: Vec<usize>,
    /// The splits of all its tables, in source order.
    pub splits: Vec<TargetSplit>,
    /// Rows that `dedupe` leaves out, once the ids have been looked at.
    pub left_out: OnceLock<Arc<LeftOut>>,
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
        let (write, plan) = match members[..] {
            [table] => (table.write.clone(), table.target.clone()),
            _ => {
                let write = merge::merged(&members)?;
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
                (write, plan)
            }
        };
        let stage = match &pipeline.stage {
            Some(stage) => Some(stage.plan(&write).await?),
            None => None,
        };
        let splits = splits_of(all, &tables);
        Ok(TargetTable { write, plan, stage, tables, splits, left_out: OnceLock::new() })
    }

    /// False when the target is left alone.
    pub fn moves(&self) -> bool {
        self.plan.decision != Decision::Skip
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
