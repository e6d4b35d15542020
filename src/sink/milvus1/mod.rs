//! A live Milvus 0.10 or 1.x server.
//!
//! | module | holds |
//! |---|---|
//! | `config` | what the user writes |
//! | `target` | the collection or partition a table goes to, and its state on the server |
//! | `form` | vectors and metrics as these servers have them |
//! | `plan`, `prepare` | looking, and doing |
//! | `read_back` | reading rows back by their ids |
//! | `write` | batches to requests, and what to do when one fails |
//! | `resume` | going on where an interrupted run stopped |
//! | `replace` | rows in place of those that have their ids |

mod config;
mod form;
mod marks;
mod plan;
mod prepare;
mod read_back;
mod replace;
mod resume;
mod target;
mod write;

use std::sync::Arc;

use arrow_array::ArrayRef;
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

pub use config::{Config, SchemaConfig};

use self::marks::CollectionMarks;
use crate::error::{Error, Result};
use crate::flow::{LARGE_BATCH_BYTES, Meter};
use crate::location::DataLocation;
use crate::milvus::connection::canonical;
use crate::milvus::v1::Client;
use crate::ownership::{Hold, MarkStore, OwnerCell};
use crate::sink::server::{Claims, IdsFile, Intake};
use crate::sink::{
    Granularity, ReadBack, RefusedName, Sink, SinkContext, SinkFactory, Start, TableToWrite,
    TableWriter, TargetPlan, WriteLoad,
};

impl SinkFactory for Config {
    fn build(&self, cx: &SinkContext) -> Result<Box<dyn Sink>> {
        self.check()?;
        Ok(Box::new(Milvus1 {
            config: self.clone(),
            began: Instant::now(),
            dry_run: cx.dry_run,
            intake: Arc::new(Intake::new(cx.parallelism, self.retry_for.duration())),
            client: OnceCell::new(),
            owner: OwnerCell::default(),
            state: Mutex::default(),
        }))
    }

    fn place(&self) -> String {
        let Config { uri, collection, partition, .. } = self;
        let uri = canonical(uri);
        format!("milvus1 {uri} {collection:?} {partition:?}")
    }
}

/// The sink: one server, any number of target collections.
struct Milvus1 {
    config: Config,
    /// When the run began. A request of an earlier attempt was sent before.
    began: Instant,
    /// True when nothing may be made on the server.
    dry_run: bool,
    /// How much the server takes at once.
    intake: Arc<Intake>,
    client: OnceCell<Client>,
    /// The run that it works for.
    owner: OwnerCell,
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
    /// Collections whose rows can be found by their ids.
    flushed: Vec<String>,
    /// The file of inserted ids, once rows are about to be inserted.
    ids_file: Option<IdsFile>,
}

impl Milvus1 {
    /// The connection, made when it is first needed.
    async fn client(&self) -> Result<&Client> {
        self.client
            .get_or_try_init(|| async {
                Client::connect(self.config.options()).await.map_err(Error::from)
            })
            .await
    }
}

#[async_trait]
impl Sink for Milvus1 {
    fn kind(&self) -> &'static str {
        "milvus1"
    }

    fn refused_names(&self, table: &TableToWrite) -> Vec<RefusedName> {
        target::refused_name(&self.config, table).into_iter().collect()
    }

    fn set_run(&self, run: &str, ended: &[String]) {
        self.owner.set(run, ended);
    }

    fn set_hold(&self, hold: &Hold) {
        self.intake.set_hold(hold);
    }

    async fn marks(&self, table: &TableToWrite) -> Result<Vec<Arc<dyn MarkStore>>> {
        let collection = target::target_of(&self.config, table)?.collection;
        let (client, owner) = (self.client().await?.clone(), self.owner.get().clone());
        Ok(vec![Arc::new(CollectionMarks { client, collection, owner })])
    }

    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        self.make_plan(table).await
    }

    /// The file of ids alone: no source reads from a Milvus 1.x server, but from its data directory,
    /// which the server does not name.
    async fn write_locations(&self, _: &TableToWrite, _: &TargetPlan) -> Result<Vec<DataLocation>> {
        let ids_file = IdsFile::location(self.config.ids_file.as_deref()).await?;
        Ok(ids_file.into_iter().collect())
    }

    async fn existing_ids(&self, table: &TableToWrite, ids: &ArrayRef) -> Result<ArrayRef> {
        self.look_up(table, ids).await
    }

    async fn resume(&self, memos: &[&Value]) {
        let memos = memos.iter().filter_map(|memo| resume::Memo::deserialize(*memo).ok());
        self.state.lock().await.created.extend(memos.filter_map(|memo| memo.created));
    }

    async fn read_back(&self, table: &TableToWrite) -> Result<ReadBack> {
        self.read_rows_back(table).await
    }

    fn write_load(&self) -> Option<WriteLoad> {
        Some(self.intake.load())
    }

    fn batch_bytes(&self) -> u64 {
        LARGE_BATCH_BYTES
    }

    fn granularity(&self) -> Granularity {
        Granularity::Rows
    }

    async fn prepare(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
        start: &Start,
        meter: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        self.make_ready(table, plan, start, meter).await
    }
}
