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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::{BatchStream, ReadContext, blocking};
use crate::location::DataLocation;
use crate::source::choice::Collections;
use crate::source::{Columns, Fingerprint, Source, SourceFactory, SourceTable};
use crate::store::{Storage, Stores};
use crate::table::{Metric, Place, Split};

pub use inspect::inspect;

/// Parquet files: what `stage` and the Parquet sink wrote, or any file with a list column of
/// vectors of one length.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Files, folders, or patterns like `data/*.parquet`; or places in an object store, like
    /// `s3://bucket/folder`.
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
    /// Options of the object store that `paths` are in, like `aws_region`, beside what the environment
    /// says (`AWS_…`, `GOOGLE_…`, `AZURE_…`).
    #[serde(default, skip_serializing_if = "Storage::is_empty")]
    pub storage: Storage,
}

impl SourceFactory for Config {
    fn build(&self) -> Result<Box<dyn Source>> {
        if self.paths.is_empty() {
            return Err(Error::config("source.parquet.paths is empty")
                .help("name files, folders, or patterns like `data/*.parquet`"));
        }
        let stores = Stores::new(self.storage.clone());
        let paths: Vec<_> = self.paths.iter().map(String::as_str).collect();
        stores.check("source.parquet.paths", &paths)?;
        paths.iter().try_for_each(|path| stores.place(path).map(drop))?;
        Ok(Box::new(Parquet { config: self.clone(), stores: Arc::new(stores) }))
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
    stores: Arc<Stores>,
}

/// The files that a table's splits lie in.
fn files(table: &SourceTable) -> Result<BTreeSet<String>> {
    let path = |split: &Split| Ok(split.location::<tables::Location>()?.path);
    table.splits.iter().map(path).collect()
}

#[async_trait]
impl Source for Parquet {
    fn kind(&self) -> &'static str {
        "parquet"
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        let (config, stores) = (self.config.clone(), Arc::clone(&self.stores));
        blocking(move || {
            let found = paths::find(&stores, &config.paths, config.dump)?;
            let found = chosen::chosen(&config, found)?;
            found.into_iter().map(|found| tables::table(&config, found)).collect()
        })
        .await
    }

    async fn fingerprint(&self, table: &SourceTable) -> Result<Fingerprint> {
        let all = files(table)?;
        let stores = Arc::clone(&self.stores);
        blocking(move || {
            let looks = all.into_iter().map(|path| {
                let look = Fingerprint::of_one(&stores.place(&path)?)?;
                Ok((path, look))
            });
            Ok(Fingerprint::of_things(looks.collect::<Result<Vec<_>>>()?))
        })
        .await
    }

    async fn read_locations(&self, table: &SourceTable) -> Result<Vec<DataLocation>> {
        let all = files(table)?;
        let stores = Arc::clone(&self.stores);
        blocking(move || all.iter().map(|path| stores.place(path)?.location()).collect()).await
    }

    /// An object is read by its tag, so that another one in its place is an error by itself.
    async fn still_there(&self, split: &Split) -> Result<()> {
        let location: tables::Location = split.location()?;
        let place = self.stores.place(&location.path)?;
        let crate::store::Place::Local(_) = &place else { return Ok(()) };
        blocking(move || match place.facts()? {
            Some(facts) if facts.stamp == location.stamp => Ok(()),
            Some(_) => {
                Err(Error::source_changed("the file was written to, or another one has its place")
                    .at(place))
            }
            None => Err(Error::source_changed("the file is gone").at(place)),
        })
        .await
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
            stores: Arc::clone(&self.stores),
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
