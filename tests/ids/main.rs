//! Ids on their way: `dedupe`, `remap`, and tables that are merged into one target, against the
//! same done naively in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod dedupe;
mod large;
mod merge;
mod remap;
mod support;
