//! Helpers that several test binaries share. Each binary uses some of them.
#![allow(dead_code)]

pub mod recorder;

use std::sync::Arc;

use vecpipe::flow::{Controls, MemoryBudget, Outcome, Pipeline, Plan, Settings, TableRun, Verify};
use vecpipe::sink::Sink;
use vecpipe::source::{Source, SourceConfig};

/// A component's config, written as JSON.
pub fn config<T: serde::de::DeserializeOwned>(json: serde_json::Value) -> T {
    serde_json::from_value(json).expect("a valid component config")
}

/// The synthetic source with these settings.
pub fn synthetic(json: serde_json::Value) -> Box<dyn Source> {
    config::<SourceConfig>(serde_json::json!({ "synthetic": json }))
        .into_factory()
        .build()
        .expect("a valid synthetic source")
}

/// Settings for tests: everything small.
pub fn settings(parallelism: usize, memory: u64) -> Settings {
    Settings {
        parallelism,
        memory,
        batch_rows: None,
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
    let pipeline = Arc::new(Pipeline { source, transforms, sink, stage: None, budget, settings });
    let plan = Plan::make(&pipeline).await.expect("a plan");
    let tables = plan.into_tables();
    let outcome = vecpipe::flow::run(pipeline, tables.clone(), controls).await;
    (tables, outcome)
}
