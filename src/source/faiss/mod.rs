//! Faiss index files: every index that holds vectors, whatever it is nested in.
//!
//! ```text
//!  plan ──► format (which parts, where) ──► layout (runs of codes, ids, what is to be undone)
//!  reader ──► rows ──► decode ──► undo
//! ```
//!
//! What is read and how: `docs/formats/faiss.md`.

mod decode;
mod format;
mod inspect;
mod layout;
mod plan;
mod reader;
mod rows;
mod undo;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::inspect::inspect;
use self::plan::Location;
use self::reader::Job;
use self::rows::Rows;
use crate::error::{Error, Result};
use crate::flow::{BatchStream, ReadContext, blocking};
use crate::location::DataLocation;
use crate::source::opened::Opened;
use crate::source::{
    Columns, External, Fingerprint, Source, SourceFactory, SourceTable, files, locations,
};
use crate::table::{Metric, Place, Split};

/// Faiss index files. All files together are one table, in the order in which they are named.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Files, or patterns like `data/*.index`; the files of a pattern are taken in alphabetical
    /// order.
    pub paths: Vec<String>,
    /// What happens when an index does not hold the vectors that it was given, but codes of them.
    #[serde(default)]
    pub lossy: Lossy,
    /// The dimension that is expected; a file with another one is an error.
    #[serde(default)]
    pub dim: Option<usize>,
    /// The metric that is expected; a file with another one is an error.
    #[serde(default)]
    pub metric: Option<Metric>,
    /// Whether an index may have its lists in a file outside its own folder.
    #[serde(default)]
    pub external: External,
}

/// What happens to vectors that are not exactly those that the index was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lossy {
    /// They are not moved: the plan fails.
    #[default]
    Refuse,
    /// They are moved as the codes say, as Faiss itself would give them back.
    Allow,
}

impl SourceFactory for Config {
    fn build(&self) -> Result<Box<dyn Source>> {
        if self.paths.is_empty() {
            return Err(Error::config("source.faiss needs `paths`")
                .help("name files: `paths: [faiss.index]`"));
        }
        Ok(Box::new(Faiss { config: self.clone(), opened: Opened::default() }))
    }

    fn place(&self) -> String {
        format!("faiss {:?}", self.paths)
    }
}

struct Faiss {
    config: Config,
    opened: Opened<Location, Rows>,
}

#[async_trait]
impl Source for Faiss {
    fn kind(&self) -> &'static str {
        "faiss"
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        let (config, opened) = (self.config.clone(), self.opened.clone());
        blocking(move || plan::plan(&config, &opened)).await.map(|table| vec![table])
    }

    async fn fingerprint(&self, table: &SourceTable) -> Result<Fingerprint> {
        Fingerprint::of_files(table, |location: &Location| location.input.files()).await
    }

    async fn read_locations(&self, table: &SourceTable) -> Result<Vec<DataLocation>> {
        locations::of_files(table, |location: &Location| location.input.files()).await
    }

    async fn still_there(&self, split: &Split) -> Result<()> {
        let Location { input, .. } = split.location()?;
        blocking(move || input.check().map_err(|error| error.at(files::name(&input.file)))).await
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
        let first = location.first_row;
        let job = Job {
            rows: first + from_row..first + split.rows,
            location,
            opened: self.opened.clone(),
            columns,
            schema: table.schema.clone(),
            batch_size: cx.batch_size,
        };
        let place = Place::of(&table.name, split, from_row);
        Ok(cx.spawn_blocking(place, move |outlet| {
            job.send(outlet).map_err(|error| error.at(files::name(&job.location.input.file)))
        }))
    }
}
