//! Parquet files with a list column of vectors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::source::{Source, SourceFactory};
use crate::table::Metric;

/// Parquet files: what `stage` and the Parquet sink wrote, or any file with a list column of
/// vectors of one length.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Files, folders, or patterns like `data/*.parquet`.
    pub paths: Vec<String>,
    /// Name of the id column. Left out: the one marked so by vecpipe, else `id`, `ids` or `pk`,
    /// else the rows are numbered from 0.
    #[serde(default)]
    pub id: Option<String>,
    /// Name of the vector column. Left out: the one marked so by vecpipe, else the only list column.
    #[serde(default)]
    pub vector: Option<String>,
    /// The metric of the vectors, for the index at the target.
    #[serde(default)]
    pub metric: Option<Metric>,
}

impl SourceFactory for Config {
    fn build(&self) -> Result<Box<dyn Source>> {
        Err(Error::internal("not built"))
    }
}
