//! Comparing targets with their sources: the program as users start it, against real servers and
//! files, with damage done by pymilvus, pyarrow and h5py.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod clean;
#[path = "../common/mod.rs"]
mod common;
mod damage;
mod ids;
mod knowledge;
mod memory;
mod milvus1;
#[path = "../milvus1/support.rs"]
mod milvus1_cases;
#[path = "../milvus1_server/mod.rs"]
mod server;
mod support;
#[path = "../end_to_end/support.rs"]
mod work;
