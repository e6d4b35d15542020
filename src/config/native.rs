//! The native form of the configuration.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Size;
use crate::flow::OnBadRow;
use crate::sink::{SinkConfig, SinkFactory, parquet};
use crate::source::SourceConfig;
use crate::transform::TransformConfig;

/// How much parallelism there can be.
pub const PARALLELISM: RangeInclusive<usize> = 1..=1024;

/// What moves, from where, to where, and how.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Version of the configuration's form; always 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// Where rows come from: exactly one kind.
    pub source: SourceConfig,
    /// What happens to rows on the way, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<TransformConfig>,
    /// Where rows go: exactly one kind.
    pub sink: SinkConfig,
    /// Everything also lands here, for inspection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageConfig>,
    /// How the run behaves.
    #[serde(default)]
    pub run: RunConfig,
}

/// Where everything also lands, for inspection: exactly one kind.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageConfig {
    /// Parquet files.
    Parquet(parquet::Config),
}

impl StageConfig {
    /// The stage's factory.
    pub fn into_factory(self) -> Box<dyn SinkFactory> {
        match self {
            StageConfig::Parquet(config) => Box::new(config),
        }
    }
}

/// How the run behaves. Flags of `pipeline run` win over these.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Splits read at once, and writes in flight at once (default: the number of cores).
    #[schemars(range(min = 1, max = 1024))]
    pub parallelism: Option<usize>,
    /// Budget for rows in flight.
    pub memory: Size,
    /// Upper bound of rows in a batch (default: about 8 MiB of rows from or to a
    /// Milvus server, or to Parquet; else 4 MiB).
    #[schemars(range(min = 1))]
    pub batch_rows: Option<usize>,
    /// What happens when a row can't be moved as it is: NaN in a vector, a text that is too long, …
    pub on_bad_row: OnBadRow,
    /// Folder for the files of rejected rows.
    pub rejects_dir: PathBuf,
    /// Folder for the journal, and for what a run keeps on disk while it works; on a local disk.
    pub state_dir: PathBuf,
    /// Folder for a daily log file (default: none).
    pub log_dir: Option<PathBuf>,
}

impl Default for RunConfig {
    fn default() -> Self {
        RunConfig {
            parallelism: None,
            memory: Size::mib(512),
            batch_rows: None,
            on_bad_row: OnBadRow::Fail,
            rejects_dir: PathBuf::from("rejects"),
            state_dir: PathBuf::from(".pipeline"),
            log_dir: None,
        }
    }
}
