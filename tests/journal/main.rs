//! The journal: runs that end anywhere, and others that go on with them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod file;
mod kill;
mod plan;
mod power;
mod program;
mod resume;
mod status;
mod support;
