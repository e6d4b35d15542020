//! What every source, every sink and every transform promises, as plain functions over the traits,
//! and one line for each implementation that is held to it.
//!
//! A new source adds a line below and a fixture in `fixtures/`; so does a new sink or transform.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[macro_use]
mod source;
#[macro_use]
mod sink;
#[macro_use]
mod transform;
mod fixtures;
mod support;

source_contract! {
    parquet => fixtures::parquet::source(),
    parquet_with_row_numbers => fixtures::parquet::foreign_source(),
    synthetic => fixtures::synthetic::source(),
}

sink_contract! {
    null => fixtures::null::sink(),
    parquet => fixtures::parquet::sink(),
}

transform_contract! {
    cast => fixtures::transform("cast", serde_json::json!({ "vector": "float16" })),
    rename => fixtures::transform("rename", serde_json::json!({ "vector": "embedding" })),
    select => fixtures::transform("select", serde_json::json!(["vector", "id"])),
}
