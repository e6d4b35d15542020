//! Parquet files in a folder, one sub-folder per table and partition.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sink::{Mode, Sink, SinkContext, SinkFactory};

/// Parquet files: `<dir>/<table>/<partition or _default>/part-*.parquet` and a `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder.
    pub dir: PathBuf,
    /// What happens to a table that is there already (default: overwrite).
    #[serde(default = "default_mode")]
    pub mode: Mode,
    /// How the files are compressed (default: zstd).
    #[serde(default)]
    pub compression: Compression,
}

fn default_mode() -> Mode {
    Mode::Overwrite
}

/// How Parquet files are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Zstandard, level 1.
    #[default]
    Zstd,
    /// Snappy.
    Snappy,
    /// Not at all.
    None,
}

impl SinkFactory for Config {
    fn build(&self, _: &SinkContext) -> Result<Box<dyn Sink>> {
        Err(Error::internal("not built"))
    }
}
