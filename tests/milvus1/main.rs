//! Data directories of old servers, as real ones left them: exactly the rows that a client saw.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod directories;
mod errors;
mod mysql;
mod names;
mod random;
mod support;
mod writer;
