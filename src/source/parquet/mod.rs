//! Parquet files with a list column of vectors.

mod chosen;
mod convert;
mod footer;
mod inspect;
mod layout;
mod paths;
mod read;
mod sums;
mod tables;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::{BatchStream, ReadContext, blocking};
use crate::source::choice::Collections;
use crate::source::{Columns, Fingerprint, Source, SourceFactory, SourceTable};
use crate::table::{Metric, Place, Split};

pub use inspect::inspect;

/// Parquet files: what `stage` and the Parquet sink wrote, or any file with a list column of
/// vectors of one length.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Files, folders, or patterns like `data/*.parquet`.
    pub paths: Vec<String>,
    /// True to read dumps only: a folder without the manifest of one is refused.
    #[serde(default)]
    pub dump: bool,
    /// Databases of a dump to read (default: all).
    #[serde(default)]
    pub databases: Option<Vec<String>>,
    /// Of tables that manifests list: collections to read, each with its partitions (none named:
    /// all). Those of a dump are written `database/collection`.
    #[serde(default)]
    pub collections: Option<Collections>,
    /// Of tables that manifests list: other names at the target, of a collection (`old: new`), or of
    /// a partition (`collection/old: new`). In a dump both names may begin with a database.
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
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
        if self.paths.is_empty() {
            return Err(Error::config("source.parquet.paths is empty")
                .help("name files, folders, or patterns like `data/*.parquet`"));
        }
        Ok(Box::new(Parquet { config: self.clone() }))
    }

    fn place(&self) -> String {
        let Config { paths, databases, collections, .. } = self;
        match (databases, collections) {
            (None, None) => format!("parquet {paths:?}"),
            _ => format!("parquet {paths:?} {databases:?} {collections:?}"),
        }
    }
}

struct Parquet {
    config: Config,
}

#[async_trait]
impl Source for Parquet {
    fn kind(&self) -> &'static str {
        "parquet"
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        let config = self.config.clone();
        blocking(move || {
            let found = chosen::chosen(&config, paths::find(&config.paths, config.dump)?)?;
            found.into_iter().map(|found| tables::table(&config, found)).collect()
        })
        .await
    }

    async fn fingerprint(&self, table: &SourceTable) -> Result<Fingerprint> {
        let file = |location: &tables::Location| [location.path.clone().into()];
        Fingerprint::of_files(table, file).await
    }

    fn suspects(&self, table: &SourceTable) -> Vec<usize> {
        let location = |split: &Split| split.location::<tables::Location>().ok();
        let splits = table.splits.iter().enumerate();
        let uneven = splits.filter(|(_, split)| location(split).is_some_and(|at| at.uneven));
        uneven.map(|(number, _)| number).collect()
    }

    fn open(
        &self,
        table: &SourceTable,
        split: &Split,
        from_row: u64,
        columns: Columns,
        cx: &ReadContext,
    ) -> Result<BatchStream> {
        let reading = read::Reading {
            config: self.config.clone(),
            schema: table.schema.clone(),
            location: split.location()?,
            split: split.clone(),
            from_row,
            batch_size: cx.batch_size,
            columns,
        };
        let place = Place::of(&table.name, split, from_row);
        Ok(cx.spawn_blocking(place, move |outlet| reading.run(outlet)))
    }
}
