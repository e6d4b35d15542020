//! What may fail, fails: the network, the server, the disk, the source's files, and the program itself,
//! which is killed. At the end the target holds the source, each row once.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod attempts;
#[path = "../common/mod.rs"]
mod common;
mod cut_off;
mod disk;
mod lite;
mod live;
mod live_end;
#[path = "../live/support.rs"]
mod live_support;
mod marks;
mod material;
#[path = "../milvus1/support.rs"]
mod milvus1_cases;
#[path = "../milvus1_server/mod.rs"]
mod milvus1_server;
#[path = "../milvus1/writer.rs"]
mod milvus1_writer;
#[path = "../common/proxy.rs"]
mod proxy;
mod restart;
mod run;
mod script;
mod seeds;
mod signals;
#[path = "../end_to_end/support.rs"]
mod support;
mod target;
mod watchdog;
