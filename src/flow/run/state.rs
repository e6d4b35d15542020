//! How the tables and targets of a run are getting on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::OnceCell;

use crate::error::{Error, Result};
use crate::flow::plan::{Plan, TablePlan, TargetTable};
use crate::flow::{Comparison, Meter, Rejected, RejectedRow, RejectsFolder, Totals};
use crate::sink::{Completion, TableWriter};

/// How one table of the source is getting on. The engine writes it; progress, metrics and reports
/// read it.
pub struct TableRun {
    /// What was planned.
    pub plan: TablePlan,
    /// What interrupted runs had done; the meter counts on from there.
    pub earlier: Totals,
    /// Counters.
    pub meter: Arc<Meter>,
    /// Its target, which tables that are merged share.
    pub target: Arc<TargetRun>,
    rejected: Mutex<BTreeMap<(u32, u64), RejectedRow>>,
    warnings: Mutex<Vec<String>>,
}

/// Warnings about a table that are kept.
const WARNINGS: usize = 20;

/// Rejected rows of a table that are named.
const NAMED: usize = 5;

/// How a target is getting on.
pub struct TargetRun {
    /// What was planned.
    pub plan: Arc<TargetTable>,
    /// What it held at the end, once it is complete.
    pub completion: OnceLock<Completion>,
    /// How its content compares with the source's, once that was looked at.
    pub comparison: OnceLock<Comparison>,
    pub(super) opened: OnceCell<Opened>,
    pub(super) splits_left: AtomicUsize,
}

/// A target that has been prepared.
pub(super) struct Opened {
    pub sink: Arc<dyn TableWriter>,
    pub stage: Option<Arc<dyn TableWriter>>,
    pub rejects: Option<Arc<RejectsFolder>>,
}

impl TargetRun {
    fn new(plan: Arc<TargetTable>) -> Self {
        let completion = plan.progress.completion.map_or_else(OnceLock::new, OnceLock::from);
        let splits_left = AtomicUsize::new(plan.splits.len() - plan.progress.finished());
        let comparison = OnceLock::new();
        TargetRun { plan, completion, comparison, opened: OnceCell::new(), splits_left }
    }

    /// True once something may have changed at the target, by this run or an interrupted one.
    pub fn is_prepared(&self) -> bool {
        self.opened.get().is_some() || self.plan.progress.memo.is_some()
    }

    /// The folder of the rows that were rejected, where such rows are put aside.
    pub fn rejects(&self) -> Option<&Path> {
        let opened = self.opened.get().and_then(|opened| opened.rejects.as_deref());
        let noted = self.plan.progress.memo.as_ref().and_then(|memo| memo.rejects.as_deref());
        opened.map(RejectsFolder::path).or(noted)
    }

    /// Splits that need no more work.
    pub fn splits_finished(&self) -> u64 {
        (self.plan.splits.len() - self.splits_left.load(Ordering::Acquire)) as u64
    }

    pub(super) fn opened(&self) -> Result<&Opened> {
        self.opened.get().ok_or_else(|| Error::internal("A target was used before it was prepared"))
    }
}

impl TableRun {
    /// The first of the rows that this run rejected, in source order.
    pub fn rejected(&self) -> Vec<RejectedRow> {
        let rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        rejected.values().cloned().collect()
    }

    /// Warns of what the user may not miss, now and in the report.
    pub(super) fn warn(&self, words: &str) {
        tracing::warn!(table = %self.plan.source.name, "{words}");
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.len() < WARNINGS {
            warnings.push(words.to_owned());
        }
    }

    /// What the user was warned of: the first of it.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the first of them, whatever order they come in.
    pub(super) fn reject(&self, rows: &Rejected) {
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        rejected.extend(rows.sample(NAMED).into_iter().map(|row| ((row.split, row.row), row)));
        while rejected.len() > NAMED {
            rejected.pop_last();
        }
    }

    /// How far it is. Tables that are merged are done together.
    pub fn state(&self) -> TableState {
        if !self.plan.moves() {
            TableState::LeftAlone
        } else if self.meter.done.load(Ordering::Acquire) {
            TableState::Done
        } else if self.target.opened.get().is_none() {
            TableState::Waiting
        } else if self.target.splits_left.load(Ordering::Acquire) == 0 {
            TableState::Completing
        } else {
            TableState::Moving
        }
    }
}

/// How far a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableState {
    /// The plan leaves its target alone.
    LeftAlone,
    /// Its target has not been touched yet.
    Waiting,
    /// Its rows move.
    Moving,
    /// All rows are written; the target flushes, makes indexes, counts.
    Completing,
    /// Its target is complete, and verified if that was asked for.
    Done,
}

/// Tables of a plan as they will be run; progress displays hold on to them.
impl Plan {
    /// Turns the plan into the tables of a run.
    pub fn into_tables(self) -> Vec<Arc<TableRun>> {
        let mut targets = vec![None; self.tables.len()];
        for plan in self.targets {
            let target = Arc::new(TargetRun::new(plan));
            for table in &target.plan.tables {
                targets[*table] = Some(Arc::clone(&target));
            }
        }
        let tables = self.tables.into_iter().zip(targets);
        tables
            .enumerate()
            .map(|(n, (plan, target))| {
                let target =
                    target.unwrap_or_else(|| Arc::new(TargetRun::new(Arc::clone(&plan.target))));
                let earlier = target.plan.totals_before(n);
                let meter = Arc::new(Meter::default());
                meter.add(&earlier);
                meter.done.store(target.plan.is_complete(), Ordering::Release);
                let (rejected, warnings) = (Mutex::default(), Mutex::default());
                Arc::new(TableRun { plan, earlier, meter, target, rejected, warnings })
            })
            .collect()
    }
}
