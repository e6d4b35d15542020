//! From a configuration to a pipeline that can run.

use std::num::NonZero;

use crate::config::{Config, Form, Loaded, Text};
use crate::error::Result;
use crate::flow::{Identity, MemoryBudget, Pipeline, Settings, Verify};
use crate::milvus::Generation;
use crate::sink::{SinkConfig, SinkContext};
use crate::transform::TransformConfig;

/// Understands a configuration. A file in MilvusDM's form does not say of which generation the Milvus
/// is that it writes to: then that is asked.
///
/// # Errors
/// [`Kind::Config`](crate::error::Kind::Config) for what is wrong with the configuration,
/// [`Kind::Connect`](crate::error::Kind::Connect) when the destination can't be asked.
pub async fn configure(text: &Text, sets: &[String]) -> Result<Loaded> {
    let loaded = text.parse(sets, Generation::Two)?;
    let (Form::MilvusDm(_), SinkConfig::Milvus(sink)) = (loaded.form, &loaded.config.sink) else {
        return Ok(loaded);
    };
    match Generation::ask(sink.options()?).await? {
        Generation::Two => Ok(loaded),
        older => text.parse(sets, older),
    }
}

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
/// [`Kind::Config`](crate::error::Kind::Config) when a component's settings contradict each other, or
/// the purpose.
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
        on_bad_row: config.run.on_bad_row,
        rejects_dir: config.run.rejects_dir.clone(),
        verify: match purpose {
            Purpose::Plan => Verify::None,
            Purpose::Run(verify) => verify,
        },
        state_dir: config.run.state_dir.clone(),
    };
    let budget = MemoryBudget::new(settings.memory);
    let identity = identity(config)?;
    let pipeline = Pipeline { source, transforms, sink, stage, budget, settings, identity };
    if purpose == Purpose::Run(Verify::Content) {
        pipeline.check_comparable()?;
    }
    Ok(pipeline)
}

/// What makes another run of `config` the same one: its journal is found by this.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) when the settings can't be written down.
pub fn identity(config: &Config) -> Result<Identity> {
    Ok(Identity {
        source: config.source.clone().into_factory().place(),
        sink: config.sink.clone().into_factory().place(),
        settings: config.settings_that_matter()?,
    })
}

/// The number of cores this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The bytes of a batch of a pipeline from made-up rows to `sink`.
    fn batch_bytes(sink: serde_json::Value, more: serde_json::Value) -> usize {
        let source = json!({ "synthetic": { "rows": 1, "dim": 1 } });
        let mut config = json!({ "version": 1, "source": source, "sink": sink });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = serde_json::from_value(config).unwrap();
        assemble(&config, Purpose::Plan).unwrap().batch_size().bytes
    }

    #[test]
    fn batches_are_as_large_as_who_likes_the_largest_and_memory_allow() {
        let (null, parquet) = (json!({ "null": {} }), json!({ "parquet": { "dir": "out" } }));
        let milvus = json!({ "milvus": { "uri": "http://127.0.0.1:1" } });
        assert_eq!(batch_bytes(null.clone(), json!({})), 4 << 20);
        assert_eq!(batch_bytes(parquet.clone(), json!({})), 8 << 20);
        assert_eq!(batch_bytes(milvus.clone(), json!({})), 8 << 20);
        let milvus1 = json!({ "milvus1": { "uri": "http://127.0.0.1:1" } });
        assert_eq!(batch_bytes(milvus1, json!({})), 8 << 20);
        assert_eq!(batch_bytes(null.clone(), json!({ "stage": parquet })), 8 << 20);
        let memory = |size: &str| json!({ "run": { "memory": size } });
        assert_eq!(batch_bytes(milvus, memory("16MiB")), 2 << 20);
        assert_eq!(batch_bytes(null, memory("1KiB")), 1 << 10);
    }
}
