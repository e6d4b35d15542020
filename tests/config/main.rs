//! The configuration, as people and editors meet it.

#![allow(clippy::expect_used, reason = "a test ends where something is not as expected")]

mod errors;
mod files;
mod milvusdm;
mod values;
