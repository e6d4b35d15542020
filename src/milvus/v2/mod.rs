//! A client of Milvus 2.x: gRPC, package `milvus.proto.milvus`.
//!
//! | module | holds |
//! |---|---|
//! | [`connect`] | the connection: address, TLS, credentials, deadlines |
//! | [`rpc`] | one call: metadata, deadline, status check, repetition |
//! | [`error`] | what can go wrong, and whether it may be tried again |
//! | [`version`] | which server it is, and what it can take |
//! | [`collection`], [`alias`], [`partition`], [`index`], [`load`], [`flush`] | the calls, one noun a file |
//! | [`field`] | Milvus types and Arrow types |
//! | [`insert`] | record batches to insert requests, without copying vectors |
//! | [`query`] | counting rows, looking up ids, reading a few rows |
//!
//! Measured against Milvus 2.3.5 and Milvus Lite 3.2.2; differences between them are noted where
//! they matter.

pub mod alias;
pub mod collection;
pub mod connect;
pub mod error;
pub mod field;
pub mod flush;
pub mod index;
pub mod insert;
pub mod load;
pub mod partition;
pub mod proto;
pub mod query;
pub(crate) mod retry;
pub mod rpc;
pub mod version;

pub use connect::{Client, Options, TlsOptions};
pub use error::MilvusError;
pub use version::ServerVersion;

/// Result of a call to the server.
pub type Result<T, E = MilvusError> = std::result::Result<T, E>;
