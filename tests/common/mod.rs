//! Helpers that several test binaries share. Each binary uses some of them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod components;
pub mod faulty;
pub mod folder;
pub mod grpc;
pub mod judge;
pub mod kill;
pub mod python;
pub mod read;
pub mod recorder;
pub mod rows;
pub mod runs;
#[cfg(feature = "object-store")]
pub mod s3;

use std::sync::Arc;

use vecpipe::flow::{
    Controls, Identity, Journal, MemoryBudget, OnBadRow, Outcome, Pipeline, Plan, Settings,
    TableRun, Verify,
};
use vecpipe::ownership::Hold;
use vecpipe::sink::Sink;
use vecpipe::source::Source;

/// Settings for tests: everything small.
pub fn settings(parallelism: usize, memory: u64) -> Settings {
    Settings {
        parallelism,
        memory,
        batch_rows: None,
        on_bad_row: OnBadRow::Fail,
        rejects_dir: "rejects".into(),
        verify: Verify::Count,
        state_dir: std::env::temp_dir(),
    }
}

/// Plans and runs source → sink; the tables tell what happened.
pub async fn run_pipeline(
    source: Box<dyn Source>,
    sink: Box<dyn Sink>,
    settings: Settings,
    controls: Controls,
) -> (Vec<Arc<TableRun>>, Outcome) {
    let budget = MemoryBudget::new(settings.memory);
    let transforms = Vec::new();
    let identity = Identity::default();
    let pipeline =
        Arc::new(Pipeline { source, transforms, sink, stage: None, budget, settings, identity });
    let plan = Plan::make(&pipeline).await.expect("a plan");
    let tables = plan.into_tables();
    let outcome =
        vecpipe::flow::run(pipeline, tables.clone(), Journal::none(), Hold::none(), controls).await;
    (tables, outcome)
}
