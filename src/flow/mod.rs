//! The engine: plan → tasks, bounded channels, memory budget, cancellation, counters. It works with the traits of
//! sources, transforms and sinks. Of concrete ones it takes `dedupe`'s rule of which row stays, and the sinks'
//! way to make names of files.

mod batch;
mod budget;
mod chain;
mod end;
mod journal;
mod meter;
mod pages;
mod pipeline;
mod plan;
mod probe;
mod read;
mod rejects;
mod remains;
mod run;
mod survey;
mod verify;

pub(crate) use crate::blocking::blocking;
pub use batch::{Batch, BatchStream};
pub use budget::{MemoryBudget, Permit};
pub use chain::Chain;
use end::check_end;
pub use journal::{
    Change, EarlierRun, Ended, Identity, Journal, JournalFile, Memo, Receipts, SavedPlan,
    SavedTable, SavedTarget, SplitProgress, Standing, TargetProgress,
};
pub use meter::{Clock, Counter, Meter, Times, Totals};
pub use pages::Pages;
pub(crate) use pipeline::{BATCH_BYTES, LARGE_BATCH_BYTES};
pub use pipeline::{Pipeline, Settings, Verify};
pub use plan::{Plan, TablePlan, TargetSplit, TargetTable};
pub use probe::{ReadSpeed, read_speed};
pub use read::{BatchSize, Outlet, ReadContext, ReaderThreads};
pub use rejects::{OnBadRow, Rejected, RejectedRow, RejectsFolder, mark, sort_out};
pub use remains::{Remains, clean, remains};
pub use run::{Controls, Outcome, TableRun, TableState, TargetRun, run};
pub use survey::{Id, IdFindings, Ids, LeftOut, SplitLeftOut, Surplus, check_ids, survey};
pub use verify::{Change as RowChange, Comparison, Differences, Verdict, What, verify};
