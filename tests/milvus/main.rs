//! The Milvus client and sink against real servers, through a proxy that fails as it is told, and
//! against servers that are none.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod connect;
mod counts;
mod faults;
mod frames;
mod late;
mod load;
mod new_ids;
mod overwrite;
#[path = "../common/proxy.rs"]
mod proxy;
mod resume;
mod sink;
mod support;
mod types;
mod wide;
