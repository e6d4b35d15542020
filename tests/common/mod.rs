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
use vecpipe::transform::TransformFactory;

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
    let pipeline = pipeline(source, Vec::new(), sink, settings);
    let plan = Plan::make(&pipeline).await.expect("a plan");
    run_planned(pipeline, plan, controls).await
}

/// A pipeline without a stage.
pub fn pipeline(
    source: Box<dyn Source>,
    transforms: Vec<Box<dyn TransformFactory>>,
    sink: Box<dyn Sink>,
    settings: Settings,
) -> Arc<Pipeline> {
    let budget = MemoryBudget::new(settings.memory);
    let identity = Identity::default();
    Arc::new(Pipeline { source, transforms, sink, stage: None, budget, settings, identity })
}

/// Runs what was planned, without a journal and without marks at the target.
pub async fn run_planned(
    pipeline: Arc<Pipeline>,
    plan: Plan,
    controls: Controls,
) -> (Vec<Arc<TableRun>>, Outcome) {
    let tables = plan.into_tables();
    let (journal, hold) = (Journal::none(), Hold::none());
    let outcome = vecpipe::flow::run(pipeline, tables.clone(), journal, hold, controls).await;
    (tables, outcome)
}
