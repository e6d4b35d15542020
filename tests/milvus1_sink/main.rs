//! Writing to servers of Milvus 0.10 and 1.x.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod generations;
#[allow(dead_code, reason = "it is the Milvus tests', and they use the rest")]
#[path = "../milvus/support.rs"]
mod milvus_support;
mod modes;
mod requests;
#[path = "../milvus1_server/mod.rs"]
mod server;
mod support;
