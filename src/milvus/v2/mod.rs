//! A client of Milvus 2.x: gRPC, package `milvus.proto.milvus`.
//!
//! | module | holds |
//! |---|---|
//! | [`connect`] | connecting: which server it is, and whether it has the database |
//! | [`rpc`] | one call: metadata, deadline, status check, repetition |
//! | `status` | the status that every answer carries |
//! | [`version`], `index_types` | which server it is, and what it can take |
//! | [`database`], [`collection`], [`alias`], [`partition`], [`index`], [`load`], `reload`, [`flush`] | the calls, one noun a file |
//! | [`definition`] | what a collection is beyond its rows, in a form that travels |
//! | [`location`] | identifying collections |
//! | [`field`] | Milvus types and Arrow types |
//! | [`freshness`] | which of the rows that were written a query shows |
//! | [`insert`] | record batches to insert requests, without copying vectors |
//! | [`by_id`] | reading and counting rows by their ids, listing the ids there are |
//! | `rows` | answers to record batches |
//! | [`keys`], [`page`] | reading a collection page by page, by stretches of its primary keys |
//! | [`query`] | counting rows, looking up ids, reading a few rows |
//!
//! Measured against Milvus 2.3.5, Milvus Lite 3.2.2 and 2.5.1; differences between them are noted where
//! they matter.

pub mod alias;
pub mod by_id;
pub mod collection;
pub mod connect;
pub mod database;
pub mod definition;
pub mod field;
pub mod flush;
pub mod freshness;
pub mod index;
mod index_types;
pub mod insert;
pub mod keys;
pub mod load;
mod loading;
pub mod location;
pub mod page;
pub mod partition;
pub mod proto;
pub mod query;
mod reload;
pub(super) mod rows;
pub mod rpc;
pub(super) mod status;
pub mod version;

pub use super::{MilvusError, Options, Result, TlsOptions};
pub use connect::Client;
pub(super) use connect::ask_version;
pub use version::ServerVersion;
