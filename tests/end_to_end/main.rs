//! Files into Milvus and Parquet, from end to end: the program as users start it, judged by
//! what pymilvus and pyarrow read back.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod configs;
mod faiss;
#[path = "../faiss/support.rs"]
mod faiss_cases;
mod files;
mod m2h;
mod m2m;
mod merged;
#[path = "../milvus1/support.rs"]
mod milvus1_cases;
#[path = "../milvus1_server/mod.rs"]
mod milvus1_server;
#[path = "../milvus1/writer.rs"]
mod milvus1_writer;
mod milvusdm;
mod names;
mod old_milvus;
mod output;
mod overwrite;
mod partitions;
mod read_only;
mod resume;
mod same_place;
#[cfg(feature = "object-store")]
mod stores;
mod support;
