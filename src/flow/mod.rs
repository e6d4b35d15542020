//! The engine: plan → tasks, bounded channels, memory budget, cancellation, counters. It knows the
//! traits of sources, transforms and sinks, and no concrete one.

mod batch;
mod blocking;
mod budget;
mod meter;
mod pipeline;
mod plan;
mod read;
mod run;
mod survey;

pub use batch::{Batch, BatchStream};
pub(crate) use blocking::blocking;
pub use budget::{MemoryBudget, Permit};
pub use meter::{Clock, Counter, Meter};
pub use pipeline::{Pipeline, Settings, Verify};
pub use plan::{Plan, TablePlan};
pub use read::{BatchSize, Outlet, ReadContext, ReaderThreads};
pub use run::{Controls, Outcome, TableRun, run};
pub use survey::{Id, IdFindings, Ids, survey};
