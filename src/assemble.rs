//! From a configuration to a pipeline that can run.

use std::num::NonZero;

use crate::config::Config;
use crate::error::Result;
use crate::flow::{MemoryBudget, Pipeline, Settings, Verify};
use crate::sink::SinkContext;
use crate::transform::TransformConfig;

/// What a pipeline is assembled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To look at source and target, and change nothing.
    Plan,
    /// To move rows, and to compare them afterwards.
    Run(Verify),
}

/// Builds every component of `config` from its factory.
///
/// # Errors
/// [`Kind::Config`](crate::error::Kind::Config) when a component's settings contradict each other.
pub fn assemble(config: &Config, purpose: Purpose) -> Result<Pipeline> {
    let source = config.source.clone().into_factory().build()?;
    let parallelism = config.run.parallelism.unwrap_or_else(cores);
    let dry_run = purpose == Purpose::Plan;
    let cx = SinkContext { source_kind: source.kind(), parallelism, dry_run };
    let sink = config.sink.clone().into_factory().build(&cx)?;
    let stage = config.stage.clone().map(|stage| stage.into_factory().build(&cx)).transpose()?;
    let transforms = config.transforms.iter().cloned().map(TransformConfig::into_factory).collect();
    let settings = Settings {
        parallelism,
        memory: config.run.memory.bytes(),
        batch_rows: config.run.batch_rows,
        verify: match purpose {
            Purpose::Plan => Verify::None,
            Purpose::Run(verify) => verify,
        },
        state_dir: config.run.state_dir.clone(),
    };
    let budget = MemoryBudget::new(settings.memory);
    Ok(Pipeline { source, transforms, sink, stage, budget, settings })
}

/// The number of cores this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
