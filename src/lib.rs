//! vecpipe moves vector collections in bulk: a streaming dataflow pipeline over Arrow record
//! batches.
//!
//! ```text
//!  config ──► plan ──► ┌ source ─► transforms ─► sink ┐ ──► report
//!  (YAML)   (tables,   │   record batches, bounded    │   (rows, verified)
//!            splits)   └────── memory ────────────────┘
//! ```
//!
//! A row travels left to right and never back. Each box is one module:
//!
//! | module | room |
//! |---|---|
//! | [`cli`] | one file per subcommand of the binary `pipeline` |
//! | [`config`] | the YAML and what is wrong with it |
//! | [`table`] | what a table of vectors is |
//! | [`source`] | where rows come from |
//! | [`transform`] | what happens to them on the way |
//! | [`sink`] | where they go |
//! | [`milvus`] | the Milvus clients that sources and sinks use |
//! | [`ownership`] | which run owns a target |
//! | [`store`] | places that files lie in: folders, and object stores |
//! | [`location`] | identifying the data that is read and written |
//! | [`flow`] | the engine |
//! | [`report`] | what a run tells afterwards |
//! | [`words`] | numbers as people read them |
//!
//! vecpipe is not a query engine: it neither shuffles nor joins, it moves rows and proves what
//! arrived.

mod assemble;
mod blocking;
pub mod cli;
pub mod config;
pub mod error;
pub mod flow;
pub mod location;
pub mod milvus;
pub mod ownership;
mod private;
mod registry;
pub mod report;
pub mod sink;
pub mod source;
pub mod store;
pub mod table;
pub mod transform;
pub mod words;

pub use assemble::{Purpose, assemble, configure, identity};
pub use error::{Error, Kind, Result};
