//! Faiss index files: of every kind, of an old and the newest version, whole and damaged; into
//! Parquet and into Milvus.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocator;
#[path = "../common/mod.rs"]
mod common;
mod damaged;
mod errors;
mod kinds;
mod support;
