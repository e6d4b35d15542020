//! A client of Milvus 0.10 and 1.x: gRPC, package `milvus.grpc`.
//!
//! | module | holds |
//! |---|---|
//! | [`connect`] | connecting: which server it is |
//! | [`rpc`] | one call: status check, repetition |
//! | `status` | the status that every answer carries |
//! | [`collection`] | collections and partitions |
//! | [`insert`] | record batches to insert requests |
//! | [`rows`] | which rows are there, and removing some |
//!
//! The servers have no users, no TLS, no upsert and no index that must be there; they take rows of
//! an id and a vector alone, and count only rows that were flushed.

pub mod collection;
pub mod connect;
pub mod insert;
pub mod proto;
pub mod rows;
pub mod rpc;
pub(super) mod status;

pub(super) use connect::ask_version;
pub use connect::{Client, Version};
