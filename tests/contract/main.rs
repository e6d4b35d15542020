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
#[path = "../common/mod.rs"]
mod common;
mod fixtures;
#[path = "../milvus1_server/mod.rs"]
mod milvus1_server;
#[path = "../milvus1/writer.rs"]
mod milvus1_writer;
#[allow(dead_code, reason = "it is the Milvus tests', and they use the rest")]
#[path = "../milvus/support.rs"]
mod milvus_support;
mod support;

use common::components::transform;
use milvus_support::Server;
use serde_json::json;

source_contract! {
    faiss => fixtures::faiss::source(),
    faiss_with_many_lists => fixtures::faiss::lists_source(),
    hdf5 => fixtures::hdf5::source(),
    hdf5_with_chunks_and_ids => fixtures::hdf5::chunked_source(),
    milvus => fixtures::milvus::source(Server::lite()).await,
    milvus1 => fixtures::milvus1::source(),
    parquet => fixtures::parquet::source(),
    parquet_with_row_numbers => fixtures::parquet::foreign_source(),
    synthetic => fixtures::synthetic::source(),
}

#[cfg(feature = "object-store")]
mod in_s3 {
    source_contract! { parquet => fixtures::parquet::source_in_s3(), }
    sink_contract! { parquet => fixtures::parquet::sink_in_s3(), }
}

sink_contract! {
    hdf5 => fixtures::hdf5::sink(json!({})),
    hdf5_in_small_compressed_files => fixtures::hdf5::sink(json!({ "max_rows_per_file": 300, "gzip": 1 })),
    milvus => fixtures::milvus::sink(Server::milvus(), PROPERTY).await,
    milvus_lite => fixtures::milvus::sink(Server::lite(), PROPERTY).await,
    milvus1 => fixtures::milvus1::sink().await,
    null => fixtures::null::sink(),
    parquet => fixtures::parquet::sink(),
}

transform_contract! {
    cast => transform("cast", json!({ "vector": "float16" })),
    dedupe => transform("dedupe", json!({ "keep": "last" })),
    remap_by_hash => fixtures::remap::transform(json!({ "strategy": "hash" })),
    remap_by_number => fixtures::remap::transform(json!({ "strategy": "sequential", "first": 7 })),
    remap_by_offset => fixtures::remap::transform(json!({ "strategy": "offset", "offset": 7 })),
    rename => transform("rename", json!({ "vector": "embedding" })),
    select => transform("select", json!(["vector", "id"])),
}
