//! HDF5 files with a dataset of vectors and, perhaps, one of ids.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::source::{Source, SourceFactory};
use crate::table::Metric;

/// HDF5 files: a dataset of vectors and, perhaps, one of ids. All files together are one table, in
/// the order in which they are named.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Files, or patterns like `data/*.h5`; the files of a pattern are taken in alphabetical order.
    #[serde(default)]
    pub paths: Vec<String>,
    /// A folder; all its .h5, .hdf5 and .he5 files are taken in alphabetical order.
    #[serde(default)]
    pub dir: Option<PathBuf>,
    /// Path of the dataset of vectors within each file.
    #[serde(default = "default_vectors")]
    pub vectors: String,
    /// Path of the dataset of ids. Left out: `ids` where the files have it, else the rows are
    /// numbered from 0 over all files.
    #[serde(default)]
    pub ids: Option<String>,
    /// The metric of the vectors, for the index at the target.
    #[serde(default)]
    pub metric: Option<Metric>,
    /// The dimension that is expected; a file with another one is an error.
    #[serde(default)]
    pub dim: Option<usize>,
}

fn default_vectors() -> String {
    "embeddings".to_owned()
}

impl SourceFactory for Config {
    fn build(&self) -> Result<Box<dyn Source>> {
        Err(Error::internal("not built"))
    }
}
