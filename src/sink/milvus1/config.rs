//! What the user writes.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::milvus::Options;
use crate::milvus::settings::{Timeouts, Wait, check_uri};
use crate::sink::Mode;
use crate::sink::server::{OnConflict, OnDuplicateId};
use crate::table::Metric;

/// A live Milvus 0.10 or 1.x server. It takes rows of an int64 id and one vector of floats or bits.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address: `http://host:19530`.
    pub uri: String,
    /// Collection to write to (default: the name of the source's table).
    #[serde(default)]
    pub collection: Option<String>,
    /// Tag of the partition to write to (default: the default partition).
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
    /// How long to wait for answers.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How long a request is tried again while it fails for a passing reason, such as a server that
    /// restarts.
    #[serde(default = "Wait::ten_minutes")]
    pub retry_for: Wait,
    /// A text file to which the ids of all rows that the server took are added, one on each line,
    /// in the order in which it took them (default: none).
    #[serde(default)]
    pub ids_file: Option<PathBuf>,
}

/// The schema of a collection that is created.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SchemaConfig {
    /// Metric (default: the source's, else L2, or HAMMING for binary vectors).
    pub metric: Option<Metric>,
    /// Size of a segment from which on the server makes an index for it, in MiB.
    #[schemars(range(min = 1, max = 4096))]
    pub index_file_size: i64,
}

impl Default for SchemaConfig {
    fn default() -> Self {
        // The server's own.
        SchemaConfig { metric: None, index_file_size: 1024 }
    }
}

impl Config {
    /// Settings that contradict each other.
    pub(super) fn check(&self) -> Result<()> {
        check_uri(&self.uri, "sink.milvus1", "a Milvus 1.x has no users")?;
        let size = self.schema.index_file_size;
        if !(1..=4096).contains(&size) {
            return Err(Error::config(format!("sink.milvus1.schema.index_file_size is {size}"))
                .help("write a number of MiB from 1 to 4096"));
        }
        self.on_conflict.check_with(self.on_duplicate_id)?;
        self.timeouts.check("sink.milvus1")
    }

    /// The client's options.
    pub(super) fn options(&self) -> Options {
        let mut options = Options::new(self.uri.clone());
        options.retry_for = self.retry_for.duration();
        self.timeouts.apply(&mut options);
        options
    }
}
