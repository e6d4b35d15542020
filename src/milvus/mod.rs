//! Milvus clients. They speak a server's protocol and know nothing of pipelines.
//!
//! | module | holds |
//! |---|---|
//! | [`connection`] | what both generations share: address, TLS, deadlines, calls |
//! | [`error`] | what can go wrong, and whether it may be tried again |
//! | [`generation`] | which of the two a server is |
//! | [`settings`] | what a user writes about reaching a server |
//! | [`v1`] | the client of Milvus 0.10 and 1.x |
//! | [`v2`] | the client of Milvus 2.x |
//! | [`inspect`] | what is inside a server |
//! | `retry`, `late` | repeating a call, and how long one without an answer might still be carried out |

pub mod connection;
pub mod error;
#[doc(hidden)]
pub mod fuzz;
pub mod generation;
pub mod inspect;
pub(crate) mod late;
pub(crate) mod names;
pub(crate) mod retry;
pub mod settings;
pub mod v1;
pub mod v2;
mod wire;

pub use connection::{Options, TlsOptions};
pub use error::MilvusError;
pub use generation::Generation;

/// The partition that every collection has and that can't be dropped.
pub const DEFAULT_PARTITION: &str = "_default";

/// Result of a call to a server.
pub type Result<T, E = MilvusError> = std::result::Result<T, E>;
