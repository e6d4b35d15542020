//! Rows that can't be moved as they are: the program as users start it, on files and real servers.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod fail;
mod hdf5;
mod kill;
#[path = "../milvus1/support.rs"]
mod milvus1_cases;
mod reject;
#[path = "../milvus1_server/mod.rs"]
mod server;
mod support;
mod transforms;
#[path = "../end_to_end/support.rs"]
mod work;
