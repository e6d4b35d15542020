//! Parquet files as a source and as a sink.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod python;
mod sink;
mod source;
mod sums;
mod support;
