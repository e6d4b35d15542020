//! Data directories of Milvus 0.10 and 1.x: of a stopped server, or a copy of one.
//!
//! ```text
//!  plan ──► meta (which segments are alive) ──► segment (which of their rows are) ──► splits
//!           log (what is in no segment yet)
//!  reader ──► maps of .rv and .uid
//! ```
//!
//! What is read and how: `docs/formats/milvus1.md`.

mod inspect;
mod log;
mod meta;
mod plan;
mod reader;
mod segment;

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::inspect::inspect;
pub use self::meta::MysqlConfig;
use self::plan::Location;
use self::reader::Job;
use crate::error::{Error, Result};
use crate::flow::{BatchStream, ReadContext, blocking};
use crate::location::DataLocation;
use crate::source::choice::{Choice, Collections};
use crate::source::{Columns, Fingerprint, Source, SourceFactory, SourceTable, locations};
use crate::table::{Place, Split};

/// The data directory of a Milvus 0.10 or 1.x server. Each partition of each collection is a table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder that the server's `storage.path` names: it holds `db` and `wal`.
    pub path: PathBuf,
    /// Further folders that hold segments.
    #[serde(default)]
    pub extra_paths: Vec<PathBuf>,
    /// Where the server kept its metadata.
    #[serde(default)]
    pub meta: MetaConfig,
    /// Collections to read, each with its partitions (none named: all); left out: all collections.
    /// The default partition is called `_default`.
    #[serde(default)]
    pub collections: Option<Collections>,
    /// Other names at the target: of a collection (`old: new`), or of a partition
    /// (`collection/old tag: new_tag`, the default one being `collection/_default`).
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
}

/// Where a server kept its metadata.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetaConfig {
    /// In `db/meta.sqlite`.
    #[default]
    Sqlite,
    /// In MySQL or MariaDB.
    Mysql(MysqlConfig),
}

impl Config {
    fn choice(&self) -> Choice<'_> {
        Choice {
            collections_key: "source.milvus1.collections",
            collections: self.collections.as_ref(),
            rename_key: "source.milvus1.rename",
            rename: &self.rename,
        }
    }
}

impl SourceFactory for Config {
    fn build(&self) -> Result<Box<dyn Source>> {
        if self.path.as_os_str().is_empty() {
            return Err(Error::config("source.milvus1.path is empty")
                .help("give the folder that the server's storage.path names"));
        }
        if let MetaConfig::Mysql(server) = &self.meta {
            server.check()?;
        }
        Ok(Box::new(Milvus1 { config: self.clone() }))
    }

    fn place(&self) -> String {
        format!("milvus1 {:?} {:?}", self.path, self.collections)
    }
}

struct Milvus1 {
    config: Config,
}

#[async_trait]
impl Source for Milvus1 {
    fn kind(&self) -> &'static str {
        "milvus1"
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        plan::plan(&self.config).await
    }

    async fn fingerprint(&self, table: &SourceTable) -> Result<Fingerprint> {
        Fingerprint::of_files(table, |location: &Location| location.files.paths()).await
    }

    /// The files of the directory. The server that they are of has no address, so a target that is
    /// this server cannot be recognised.
    async fn read_locations(&self, table: &SourceTable) -> Result<Vec<DataLocation>> {
        locations::of_files(table, |location: &Location| location.files.paths()).await
    }

    async fn still_there(&self, split: &Split) -> Result<()> {
        let location: Location = split.location()?;
        blocking(move || location.files.check()).await
    }

    fn open(
        &self,
        table: &SourceTable,
        split: &Split,
        from_row: u64,
        columns: Columns,
        cx: &ReadContext,
    ) -> Result<BatchStream> {
        let location: Location = split.location()?;
        if from_row > split.rows {
            return Err(Error::internal(format!("Split {} has no row {from_row}", split.index)));
        }
        let job = Job {
            location,
            from_row,
            columns,
            schema: table.schema.clone(),
            batch_size: cx.batch_size,
        };
        let place = Place::of(&table.name, split, from_row);
        Ok(cx.spawn_blocking(place, move |outlet| job.send(outlet)))
    }
}
