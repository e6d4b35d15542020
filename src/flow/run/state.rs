//! How the tables and targets of a run are getting on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::OnceCell;

use crate::flow::Meter;
use crate::flow::plan::{Plan, TablePlan, TargetTable};
use crate::sink::{Completion, TableWriter};

/// How one table of the source is getting on. The engine writes it; progress, metrics and reports
/// read it.
pub struct TableRun {
    /// What was planned.
    pub plan: TablePlan,
    /// Counters.
    pub meter: Arc<Meter>,
    /// Its target, which tables that are merged share.
    pub target: Arc<TargetRun>,
}

/// How a target is getting on.
pub struct TargetRun {
    /// What was planned.
    pub plan: Arc<TargetTable>,
    /// What it held at the end, once it is complete.
    pub completion: OnceLock<Completion>,
    pub(super) writer: OnceCell<Arc<dyn TableWriter>>,
    pub(super) stage: OnceCell<Option<Arc<dyn TableWriter>>>,
    pub(super) splits_left: AtomicUsize,
}

impl TargetRun {
    fn new(plan: Arc<TargetTable>) -> Self {
        let splits_left = AtomicUsize::new(plan.splits.len());
        TargetRun {
            plan,
            completion: OnceLock::new(),
            writer: OnceCell::new(),
            stage: OnceCell::new(),
            splits_left,
        }
    }
}

impl TableRun {
    /// How far it is. Tables that are merged are done together.
    pub fn state(&self) -> TableState {
        if !self.plan.moves() {
            TableState::LeftAlone
        } else if self.meter.done.load(Ordering::Acquire) {
            TableState::Done
        } else if self.target.writer.get().is_none() {
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
            .map(|(plan, target)| {
                let target =
                    target.unwrap_or_else(|| Arc::new(TargetRun::new(Arc::clone(&plan.target))));
                Arc::new(TableRun { plan, meter: Arc::default(), target })
            })
            .collect()
    }
}
