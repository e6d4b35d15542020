//! A live Milvus 2.x server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Secret;
use crate::error::{Error, Result};
use crate::sink::{Mode, Sink, SinkContext, SinkFactory};
use crate::table::Metric;

/// A live Milvus 2.x server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address: `http://host:19530`, or `https://…` for TLS.
    pub uri: String,
    /// Token, or `user:password`.
    #[serde(default)]
    pub token: Option<Secret>,
    /// Database (default: the server's default).
    #[serde(default)]
    pub database: Option<String>,
    /// Collection to write to (default: the name of the source's table).
    #[serde(default)]
    pub collection: Option<String>,
    /// Partition to write to (default: the server's default partition).
    #[serde(default)]
    pub partition: Option<String>,
    /// What happens to a collection, or a partition where one is named, that exists already.
    #[serde(default)]
    pub mode: Mode,
    /// What happens to a row whose id the target holds already.
    #[serde(default)]
    pub on_conflict: OnConflict,
    /// What happens when an id occurs more than once in the source.
    #[serde(default)]
    pub on_duplicate_id: OnDuplicateId,
    /// The schema of a collection that is created.
    #[serde(default)]
    pub schema: SchemaConfig,
}

/// What happens to a row whose id the target holds already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// Nothing is written; the error counts such ids and names a few.
    #[default]
    Fail,
    /// The row is inserted without a look: the target may then hold the id twice.
    Insert,
    /// The row takes the place of the target's.
    Upsert,
    /// The target's row stays.
    Skip,
}

/// What happens when an id occurs more than once in the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDuplicateId {
    /// Nothing is written; the error counts such ids and names a few.
    #[default]
    Fail,
    /// All rows are sent; what the server makes of them is its affair.
    Allow,
}

/// The schema of a collection that is created.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SchemaConfig {
    /// Metric of the index (default: the source's, else L2, or HAMMING for binary vectors).
    pub metric: Option<Metric>,
    /// Name of the primary key field (default: the name of the source's id column).
    pub id: Option<String>,
    /// Name of the vector field (default: the name of the source's vector column).
    pub vector: Option<String>,
}

impl SinkFactory for Config {
    fn build(&self, _: &SinkContext) -> Result<Box<dyn Sink>> {
        Err(Error::internal("not built"))
    }
}
