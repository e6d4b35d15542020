//! Components by their config key and settings, as a user names them.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vecpipe::sink::{Sink, SinkConfig, SinkContext};
use vecpipe::source::{Source, SourceConfig};
use vecpipe::transform::{TransformConfig, TransformFactory};

fn config<T: DeserializeOwned>(kind: &str, settings: Value) -> T {
    serde_json::from_value(json!({ kind: settings })).expect("the settings are known")
}

pub fn source(kind: &str, settings: Value) -> Box<dyn Source> {
    config::<SourceConfig>(kind, settings).into_factory().build().expect("the settings are fine")
}

pub fn sink(kind: &str, settings: Value) -> Box<dyn Sink> {
    let cx = SinkContext { source_kind: "test", parallelism: 4, dry_run: false };
    config::<SinkConfig>(kind, settings).into_factory().build(&cx).expect("the settings are fine")
}

pub fn transform(kind: &str, settings: Value) -> Box<dyn TransformFactory> {
    config::<TransformConfig>(kind, settings).into_factory()
}
