//! Live Milvus 2.x servers as a source, from end to end: the program as users start it, judged by
//! what pymilvus tells of both ends.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod changed;
#[path = "../common/mod.rs"]
mod common;
mod errors;
mod guarded;
mod kinds;
mod mapping;
#[path = "../milvus2_server/mod.rs"]
mod milvus2_server;
mod new_ids;
mod newest;
#[path = "../common/proxy.rs"]
mod proxy;
mod released;
mod rows;
mod same_place;
mod support;
