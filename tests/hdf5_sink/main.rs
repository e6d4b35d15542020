//! HDF5 files as a sink.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod crash;
mod errors;
mod files;
mod order;
mod support;
mod types;
