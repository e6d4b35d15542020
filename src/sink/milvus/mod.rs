//! A live Milvus 2.x server.
//!
//! | module | holds |
//! |---|---|
//! | `config` | what the user writes |
//! | `mapping` | what becomes of single collections of the source |
//! | `databases` | tables that bring along the database that they go to |
//! | `target` | the collection or partition a table goes to, and its state on the server |
//! | `decide` | what happens to it, by mode |
//! | `shape` | columns to fields: of a new collection, or of one that is there |
//! | `origin` | what a new collection has from the one that its rows come from |
//! | `beside` | overwriting a collection: a new one beside it, which takes its place |
//! | `swap` | the two renames by which it does that, and what guards them |
//! | `marks` | which run owns a target |
//! | `leftovers` | what runs left beside a collection |
//! | `reload` | loading of the new one what was loaded of the old one |
//! | `index` | which index is made, and the metric |
//! | `plan`, `notes` | looking, and saying what would happen |
//! | `prepare`, `make` | doing it |
//! | `resume` | going on where an interrupted run stopped |
//! | `location` | what the target is, by the server's ids |
//! | `loads` | what was loaded only to be asked, and is released again |
//! | `lookup` | which ids the target holds already |
//! | `read_back` | reading rows back by their ids |
//! | `count` | counting the target's rows the same way before and after |
//! | `new_ids` | rows that get new ids: telling by counts what arrived |
//! | `rules` | which rows a collection takes |
//! | `finish` | indexes that are waited for, loading, aliases |
//! | `write` | batches to requests, and what to do when one fails |

mod beside;
mod config;
mod count;
mod databases;
mod decide;
mod finish;
mod index;
mod leftovers;
mod loads;
mod location;
mod lookup;
mod make;
mod mapping;
mod marks;
mod new_ids;
mod notes;
mod origin;
mod plan;
mod prepare;
mod read_back;
mod reload;
mod resume;
mod rules;
mod shape;
mod swap;
mod target;
mod write;

use std::sync::Arc;

use arrow_array::ArrayRef;
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use beside::Beside;
use databases::Databases;
use leftovers::{is_removable, leftovers};
use marks::{CollectionMarks, MadeDatabases};

pub use mapping::{CollectionMapping, Constant, Mapping};

pub use config::{Config, IndexChoice, IndexConfig, IndexSpec, SchemaConfig};

use crate::error::{Error, Result};
use crate::flow::{LARGE_BATCH_BYTES, Meter};
use crate::location::DataLocation;
use crate::milvus::connection::canonical;
use crate::milvus::v2::Client;
use crate::ownership::{Hold, MarkStore, Owner, OwnerCell};
use crate::sink::server::{Claims, IdsFile, Intake, Target};
use crate::sink::{
    Granularity, Leftover, ReadBack, RefusedName, Sink, SinkContext, SinkFactory, Start,
    TableToWrite, TableWriter, TargetPlan, WriteLoad,
};

impl SinkFactory for Config {
    fn build(&self, cx: &SinkContext) -> Result<Box<dyn Sink>> {
        self.check()?;
        let own = Milvus {
            config: self.clone(),
            source_kind: cx.source_kind,
            client: OnceCell::new(),
            owner: OwnerCell::default(),
            began: Instant::now(),
            dry_run: cx.dry_run,
            intake: Arc::new(Intake::new(cx.parallelism, self.retry_for.duration())),
            loads: loads::Loads::default(),
            made_databases: MadeDatabases::default(),
            state: Mutex::default(),
        };
        Ok(Box::new(Databases::new(own)))
    }

    fn place(&self) -> String {
        let Config { uri, database, collection, partition, mapping, .. } = self;
        let mapping = mapping.place();
        let uri = canonical(uri);
        format!("milvus {uri} {database:?} {collection:?} {partition:?}{mapping}")
    }
}

/// The sink for one database: any number of target collections.
struct Milvus {
    config: Config,
    source_kind: &'static str,
    client: OnceCell<Client>,
    /// The run that it works for: tells collections that it fills from those of other runs.
    owner: OwnerCell,
    /// When the run began. A request of an earlier attempt was sent before.
    began: Instant,
    /// True when nothing may be made on the server.
    dry_run: bool,
    /// How much the server takes at once.
    intake: Arc<Intake>,
    loads: loads::Loads,
    /// Databases that were created to mark targets in them.
    made_databases: MadeDatabases,
    /// Held while a target is prepared, so that tables that share a collection do so in turn.
    state: Mutex<State>,
}

/// What the sink remembers of its targets.
#[derive(Default)]
struct State {
    /// Where tables go.
    claims: Claims,
    /// Collections that this run created.
    created: Vec<String>,
    /// Targets whose ids were asked for, and what was loaded for that.
    lookups: Vec<(Target, lookup::Lookup)>,
    /// The file of inserted ids, once rows are about to be inserted.
    ids_file: Option<IdsFile>,
}

impl Milvus {
    /// The same for another database of the server.
    async fn within(&self, database: &str) -> Result<Milvus> {
        let client = self.client().await?.within(database)?;
        let (owner, Owner { run, ended }) = (OwnerCell::default(), self.owner.get());
        owner.set(run, ended);
        Ok(Milvus {
            config: Config { database: Some(database.to_owned()), ..self.config.clone() },
            source_kind: self.source_kind,
            client: OnceCell::new_with(Some(client)),
            owner,
            began: self.began,
            dry_run: self.dry_run,
            intake: Arc::clone(&self.intake),
            loads: loads::Loads::default(),
            made_databases: self.made_databases.clone(),
            state: Mutex::default(),
        })
    }

    /// The connection, made when it is first needed.
    async fn client(&self) -> Result<&Client> {
        self.client
            .get_or_try_init(|| async {
                let options = self.config.options()?;
                Client::connect(options).await.map_err(Error::from)
            })
            .await
    }
}

#[async_trait]
impl Sink for Milvus {
    fn kind(&self) -> &'static str {
        "milvus"
    }

    fn refused_names(&self, table: &TableToWrite) -> Vec<RefusedName> {
        target::refused_names(&self.config, table)
    }

    fn set_run(&self, run: &str, ended: &[String]) {
        self.owner.set(run, ended);
    }

    async fn marks(&self, table: &TableToWrite) -> Result<Vec<Arc<dyn MarkStore>>> {
        let target = target::target_of(&self.config, table)?;
        let (client, database) = (self.client().await?.clone(), self.config.database.clone());
        let is_there = match &database {
            Some(database) => client.has_database(database).await?,
            None => true,
        };
        // An alias is no other target than the collection that it leads to.
        let found = match is_there {
            true => client.describe_collection(&target.collection).await?,
            false => None,
        };
        let collection = found.map_or(target.collection, |found| found.name);
        Ok(vec![Arc::new(CollectionMarks {
            client,
            database,
            collection,
            made: self.made_databases.clone(),
        })])
    }

    fn set_hold(&self, hold: &Hold) {
        self.intake.set_hold(hold);
    }

    async fn leftovers(&self, table: &TableToWrite) -> Result<Vec<Leftover>> {
        let target = target::target_of(&self.config, table)?;
        leftovers(self.client().await?, &target.collection).await
    }

    async fn clear(&self, table: &TableToWrite, leftover: &Leftover) -> Result<()> {
        let target = target::target_of(&self.config, table)?;
        let client = self.client().await?;
        if !is_removable(client, &target.collection, &leftover.name).await? {
            return Beside::recover(client, &target.collection, self.owner.get()).await;
        }
        Ok(client.drop_collection(&leftover.name).await?)
    }

    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        self.make_plan(table).await
    }

    async fn write_locations(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
    ) -> Result<Vec<DataLocation>> {
        self.find_locations(table, plan).await
    }

    async fn existing_ids(&self, table: &TableToWrite, ids: &ArrayRef) -> Result<ArrayRef> {
        self.look_up(table, ids).await
    }

    async fn prepare(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
        start: &Start,
        meter: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        if let Some(publish) = &plan.publish {
            // Whoever carries out a plan works for the run that it was made for.
            self.owner.set(&publish.run, &[]);
        }
        self.make_ready(table, plan, start, meter).await
    }

    async fn resume(&self, memos: &[&Value]) {
        let memos = memos.iter().filter_map(|memo| resume::Memo::deserialize(*memo).ok());
        let database = self.config.database.as_ref();
        let memos = memos.filter(|memo| memo.database.as_ref() == database);
        self.state.lock().await.created.extend(memos.filter_map(|memo| memo.created));
    }

    async fn read_back(&self, table: &TableToWrite) -> Result<ReadBack> {
        let target = target::target_of(&self.config, table)?;
        self.read_rows_back(table, target).await
    }

    async fn read_back_waiting(&self, table: &TableToWrite) -> Result<ReadBack> {
        let target = self.filled(target::target_of(&self.config, table)?).await?;
        self.read_rows_back(table, target).await
    }

    fn write_load(&self) -> Option<WriteLoad> {
        Some(self.intake.load())
    }

    fn gives_ids(&self) -> bool {
        !self.config.keep_ids
    }

    fn batch_bytes(&self) -> u64 {
        LARGE_BATCH_BYTES
    }

    fn granularity(&self) -> Granularity {
        Granularity::Rows
    }

    async fn publish(&self, what: &str, rows: u64) -> Result<()> {
        self.put_in_place(what, rows).await
    }

    async fn close(&self) {
        if let Some(client) = self.client.get() {
            self.loads.release_all(client).await;
            client.release_reloaded().await;
        }
    }
}
