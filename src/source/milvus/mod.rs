//! A live Milvus 2.x server: each partition of each collection is a table, each stretch of its
//! primary keys a split.
//!
//! ```text
//!  ready ──► tables (what there is, and how many rows) ──► ranges (of keys) ──► splits
//!  read ──► pages of rows, by ascending key ──► batches
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `config` | what the user writes |
//! | `databases` | several databases as one source |
//! | `catalog` | the collections that are read, with their definitions |
//! | `readiness` | loading what is not loaded, and setting that back |
//! | `tables` | a partition as a table, with its schema and splits |
//! | `ranges`, `middle` | dividing keys into stretches of about as many rows |
//! | `read` | the rows of a split |
//! | `missing` | why fewer rows came than were counted |
//! | `probe` | a few keys that a collection is recognised by |

mod catalog;
mod config;
mod databases;
mod middle;
mod missing;
mod probe;
mod ranges;
mod read;
mod readiness;
mod tables;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::OnceCell;

pub use config::{All, Config, Databases};

use crate::error::{Error, Result};
use crate::flow::{BatchStream, LARGE_BATCH_BYTES, ReadContext};
use crate::location::DataLocation;
use crate::milvus::connection::canonical;
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::Collection;
use crate::source::{Columns, Fingerprint, Source, SourceFactory, SourceTable};
use crate::table::{Place, Split};
use catalog::Wanted;
use databases::Several;
use read::Reading;
use readiness::Readiness;
use tables::Location;

impl SourceFactory for Config {
    fn build(&self) -> Result<Box<dyn Source>> {
        self.check()?;
        Ok(match self.databases {
            Some(_) => Box::new(Several::new(self.clone())),
            None => Box::new(Milvus::new(self.clone(), None)),
        })
    }

    fn place(&self) -> String {
        let Config { uri, database, databases, collections, filter, .. } = self;
        let uri = canonical(uri);
        format!("milvus {uri} {database:?} {databases:?} {collections:?} {filter:?}")
    }
}

struct Milvus {
    config: Config,
    client: OnceCell<Client>,
    readiness: Readiness,
    /// What each table is read from, by its name.
    read: Mutex<BTreeMap<String, (Collection, Option<String>)>>,
}

impl Milvus {
    /// A source that makes its own connection, unless it gets one.
    fn new(config: Config, client: Option<Client>) -> Milvus {
        let (readiness, read) = (Readiness::default(), Mutex::default());
        Milvus { config, client: OnceCell::new_with(client), readiness, read }
    }

    /// The tables there are; none in an empty database.
    async fn find_tables(&self) -> Result<Vec<SourceTable>> {
        let client = self.client().await?;
        let mut tables = Vec::new();
        for wanted in catalog::wanted(&self.config, client).await? {
            for chosen in &wanted.chosen {
                let readiness = &self.readiness;
                let table = tables::table(&self.config, client, &wanted, chosen, readiness).await;
                let name = tables::name_of(&wanted, chosen);
                match table {
                    Ok(table) => tables.push(table),
                    Err(_) if self.was_dropped(&wanted).await? => break,
                    Err(error) => return Err(error.at(format!("table {name}"))),
                }
                let partition = wanted.partition(chosen).map(str::to_owned);
                self.read().insert(name, (wanted.collection.clone(), partition));
            }
        }
        Ok(tables)
    }

    /// True when a collection is not there any more that was listed, and that nobody named.
    async fn was_dropped(&self, wanted: &Wanted) -> Result<bool> {
        let name = &wanted.collection.name;
        let is_named = self.config.collections.is_some();
        Ok(!is_named && self.client().await?.describe_collection(name).await?.is_none())
    }

    fn read(&self) -> MutexGuard<'_, BTreeMap<String, (Collection, Option<String>)>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same as [`read_locations`](Source::read_locations), by the table's name within the database.
    async fn location_of(&self, table: &str) -> Result<Vec<DataLocation>> {
        let Some((collection, partition)) = self.read().get(table).cloned() else {
            return Err(Error::internal(format!("The source has no table {table}")));
        };
        // Not before it is asked for: only then has the run marked its targets.
        let location = self.client().await?.location(&collection, partition.as_deref()).await?;
        Ok(vec![DataLocation::Collection(location)])
    }

    /// The connection, made when it is first needed.
    async fn client(&self) -> Result<&Client> {
        let connect = async || {
            let options = self.config.access().options()?;
            Client::connect(options).await.map_err(Error::from)
        };
        self.client.get_or_try_init(connect).await
    }

    /// The connection of a source whose tables were asked for.
    fn connected(&self) -> Result<&Client> {
        self.client.get().ok_or_else(|| Error::internal("The source was opened before its plan"))
    }
}

#[async_trait]
impl Source for Milvus {
    fn kind(&self) -> &'static str {
        "milvus"
    }

    fn batch_bytes(&self) -> u64 {
        LARGE_BATCH_BYTES
    }

    async fn ready(&self) -> Result<()> {
        let client = self.client().await?;
        for wanted in catalog::wanted(&self.config, client).await? {
            let ready = self.readiness.make_ready(client, &wanted, self.config.prepare).await;
            if let Err(error) = ready
                && !self.was_dropped(&wanted).await?
            {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn changed_meanwhile(&self) -> Vec<(String, String)> {
        let Some(client) = self.client.get() else { return Vec::new() };
        self.readiness.changed_meanwhile(client).await
    }

    async fn close(&self) {
        if let Some(client) = self.client.get() {
            self.readiness.set_back(client).await;
            client.release_reloaded().await;
        }
    }

    async fn tables(&self) -> Result<Vec<SourceTable>> {
        let tables = self.find_tables().await?;
        match tables.is_empty() {
            true => Err(catalog::nothing_to_read(self.client().await?)),
            false => Ok(tables),
        }
    }

    async fn fingerprint(&self, table: &SourceTable) -> Result<Fingerprint> {
        let Some(split) = table.splits.first() else { return Ok(Fingerprint::of_settings()) };
        let location: Location = split.location()?;
        let thing = format!("collection {}", location.scan.collection);
        let probe = probe::keys(self.client().await?, &table.splits).await?;
        Ok(Fingerprint::of_things([(thing, format!("number {}, {probe}", location.collection_id))]))
    }

    async fn read_locations(&self, table: &SourceTable) -> Result<Vec<DataLocation>> {
        self.location_of(&table.name).await
    }

    fn resume(&self, splits: &[Split]) -> Result<()> {
        if let Some(split) = splits.first() {
            let location: Location = split.location()?;
            if let Some(readied) = location.readied {
                self.readiness.tell_of_earlier(&location.scan.collection, &readied);
            }
        }
        Ok(())
    }

    fn open(
        &self,
        table: &SourceTable,
        split: &Split,
        from_row: u64,
        columns: Columns,
        cx: &ReadContext,
    ) -> Result<BatchStream> {
        let client = self.connected()?.counted();
        let pages = Reading::new(client, (table, split), from_row, columns, cx.batch_size)?;
        self.readiness.was_read(table);
        Ok(cx.spawn_pages(Place::of(&table.name, split, from_row), pages))
    }

    async fn fewer_rows(
        &self,
        table: &SourceTable,
        split: &Split,
        came: u64,
    ) -> Result<Option<String>> {
        missing::explain(self.connected()?, table, split, came).await
    }
}
