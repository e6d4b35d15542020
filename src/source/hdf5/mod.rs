//! HDF5 files with a dataset of vectors and, perhaps, one of ids.
//!
//! ```text
//!  files ──► plan ──► reader ──► column ──► storage ──► chunks, filters, or libhdf5
//! ```
//!
//! What is read and how: `docs/formats/hdf5.md`.

mod column;
mod dataset;
mod elsewhere;
mod form;
mod inspect;
mod listing;
mod mapping;
mod plan;
mod reader;
mod storage;

use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::dataset::innermost_words;
pub use self::inspect::inspect;
use self::plan::Location;
use self::reader::Job;
use self::storage::ChunkMaps;
use crate::error::{Error, Result};
use crate::flow::{BatchStream, ReadContext, blocking};
use crate::location::DataLocation;
use crate::source::input::Input;
use crate::source::opened::Opened;
use crate::source::{
    Columns, External, Fingerprint, Source, SourceFactory, SourceTable, files, locations,
};
use crate::table::{Metric, Place, Split};

/// HDF5 files: a dataset of vectors and, perhaps, one of ids. All files together are one table, in
/// the order in which they are named.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
    /// Whether files may lead to others outside their own folder, by external links, external storage or
    /// virtual datasets.
    #[serde(default)]
    pub external: External,
}

fn default_vectors() -> String {
    "embeddings".to_owned()
}

impl Default for Config {
    fn default() -> Self {
        Config {
            paths: Vec::new(),
            dir: None,
            vectors: default_vectors(),
            ids: None,
            metric: None,
            dim: None,
            external: External::default(),
        }
    }
}

impl SourceFactory for Config {
    fn build(&self) -> Result<Box<dyn Source>> {
        if self.paths.is_empty() == self.dir.is_none() {
            return Err(Error::config("source.hdf5 needs either `paths` or `dir`")
                .help("name files (`paths: [a.h5, data/*.h5]`) or a folder (`dir: data`)"));
        }
        if self.dim == Some(0) {
            return Err(
                Error::config("source.hdf5.dim is 0").help("leave it out to take the files'")
            );
        }
        let config = self.clone();
        Ok(Box::new(Hdf5 { config, opened: Opened::default(), maps: ChunkMaps::default() }))
    }

    fn place(&self) -> String {
        format!("hdf5 {:?} {:?}", self.paths, self.dir)
    }
}

struct Hdf5 {
    config: Config,
    opened: Opened<Input, hdf5::File>,
    maps: ChunkMaps,
}

#[async_trait]
impl Source for Hdf5 {
    fn kind(&self) -> &'static str {
        "hdf5"
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        let (config, maps) = (self.config.clone(), self.maps.clone());
        blocking(move || plan::plan(&config, &maps)).await.map(|table| vec![table])
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
        let number = i128::from(split.first_row) - i128::from(first);
        let job = Job {
            rows: first + from_row..first + split.rows,
            first_number: i64::try_from(number)
                .map_err(|error| Error::source("Too many rows to number").because(error))?,
            location,
            schema: table.schema.clone(),
            batch_size: cx.batch_size,
            opened: self.opened.clone(),
            maps: self.maps.clone(),
        };
        let send = match columns {
            Columns::All => Job::send_rows,
            Columns::Ids => Job::send_ids,
        };
        let place = Place::of(&table.name, split, from_row);
        Ok(cx.spawn_blocking(place, move |outlet| {
            send(&job, outlet).map_err(|error| error.at(files::name(&job.location.input.file)))
        }))
    }
}
