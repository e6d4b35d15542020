//! Sinks and rows for these tests.

use serde_json::{Value, json};
use vecpipe::sink::Sink;

use crate::common::components;
use crate::server::{Milvus1, Row};

pub use crate::milvus_support::{move_rows, rows, table};

/// Versions that behave differently: before 1.1, ids are those of all partitions.
pub const VERSIONS: [&str; 3] = ["0.10.0", "1.0.1", "1.1.1"];

/// A sink with these settings beside its address.
pub fn sink(server: &Milvus1, settings: Value) -> Box<dyn Sink> {
    let mut all = json!({ "uri": server.uri });
    for (key, value) in settings.as_object().expect("settings are an object") {
        all[key] = value.clone();
    }
    components::sink("milvus1", all)
}

/// What [`rows`] are on the server.
pub fn held(ids: impl IntoIterator<Item = i64>, factor: f32) -> Vec<Row> {
    let vector = |id: i64| {
        (0..4u8).flat_map(|n| (id as f32 * factor + f32::from(n)).to_le_bytes()).collect()
    };
    ids.into_iter().map(|id| (id, vector(id))).collect()
}
