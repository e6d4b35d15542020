//! Tables that bring along the database that they go to: each database has a sink of its own, and
//! they share the connection and what the server is known to take.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Mutex;

use super::mapping::{Goal, There};
use super::{Milvus, target};
use crate::error::{Error, Result};
use crate::flow::Meter;
use crate::location::DataLocation;
use crate::ownership::{Hold, MarkStore};
use crate::sink::server::is_name;
use crate::sink::{
    Granularity, Leftover, Mode, ReadBack, RefusedName, Sink, Start, TableToWrite, TableWriter,
    TargetPlan, WriteLoad,
};
use crate::transform::TransformFactory;

/// The database of a server that none is asked of.
const DEFAULT: &str = "default";

/// What comes between a database and a collection in the name of what is published.
const IN: char = '/';

/// The sink of one server.
pub(super) struct Databases {
    /// That of the database that was configured, or of the server's default.
    own: Arc<Milvus>,
    others: Mutex<Others>,
}

#[derive(Default)]
struct Others {
    each: BTreeMap<String, Arc<Milvus>>,
    /// What an interrupted run noted of its targets.
    memos: Vec<Value>,
}

impl Databases {
    pub(super) fn new(own: Milvus) -> Databases {
        Databases { own: Arc::new(own), others: Mutex::default() }
    }

    /// The database that a table goes to, where it is not the configured one.
    fn database<'a>(&'a self, table: &'a TableToWrite) -> Option<&'a str> {
        let config = &self.own.config;
        let mapped = config.mapping.of(table).and_then(|mapping| mapping.database.as_deref());
        match (mapped, config.database.as_deref(), table.database.as_deref()) {
            (Some(mapped), Some(own), _) => Some(mapped).filter(|mapped| *mapped != own),
            // Tables that bring along a database all do.
            (Some(DEFAULT), None, None) => None,
            (Some(mapped), None, _) => Some(mapped),
            (None, Some(_), _) => None,
            (None, None, brought) => brought,
        }
    }

    /// The collection that a table goes to, where it exists and its rows or those of other
    /// partitions stay.
    async fn there(&self, table: &TableToWrite) -> Result<Option<There>> {
        // A name that can't be had is told with all other mistakes.
        let Ok(target) = target::target_of(&self.own.config, table) else { return Ok(None) };
        if self.database(table).is_some_and(|database| !is_name(database)) {
            return Ok(None);
        }
        if self.own.config.mode == Mode::Overwrite && target.whole {
            return Ok(None);
        }
        let sink = self.of(table).await?;
        let client = sink.client().await?;
        if let Some(database) = self.database(table)
            && !client.has_database(database).await?
        {
            return Ok(None);
        }
        let found = client.describe_collection(&target.collection).await?;
        let lite = client.version().is_lite();
        Ok(found.map(|collection| There { collection, lite }))
    }

    async fn of(&self, table: &TableToWrite) -> Result<Arc<Milvus>> {
        match self.database(table) {
            Some(database) => self.other(database).await,
            None => Ok(Arc::clone(&self.own)),
        }
    }

    async fn other(&self, database: &str) -> Result<Arc<Milvus>> {
        let mut others = self.others.lock().await;
        if let Some(known) = others.each.get(database) {
            return Ok(Arc::clone(known));
        }
        let sink = Arc::new(self.own.within(database).await?);
        sink.resume(&others.memos.iter().collect::<Vec<_>>()).await;
        others.each.insert(database.to_owned(), Arc::clone(&sink));
        Ok(sink)
    }

    async fn all(&self) -> Vec<Arc<Milvus>> {
        let others = self.others.lock().await;
        std::iter::once(&self.own).chain(others.each.values()).map(Arc::clone).collect()
    }
}

/// A plan made within a database, as one of the whole server.
fn of_server(database: &str, is_new: bool, mut plan: TargetPlan) -> TargetPlan {
    plan.target = format!("database {database}, {}", plan.target);
    if let Some(publish) = &mut plan.publish {
        publish.what = format!("{database}{IN}{}", publish.what);
        publish.from = format!("database {database}, {}", publish.from);
    }
    if is_new {
        plan.notes.insert(0, format!("there is no database {database} yet: it is made"));
    }
    plan
}

#[async_trait]
impl Sink for Databases {
    fn kind(&self) -> &'static str {
        "milvus"
    }

    fn set_run(&self, run: &str, ended: &[String]) {
        self.own.set_run(run, ended);
    }

    async fn marks(&self, table: &TableToWrite) -> Result<Vec<Arc<dyn MarkStore>>> {
        self.of(table).await?.marks(table).await
    }

    fn set_hold(&self, hold: &Hold) {
        // The sinks of all databases share what the server takes.
        self.own.set_hold(hold);
    }

    async fn leftovers(&self, table: &TableToWrite) -> Result<Vec<Leftover>> {
        if let Some(database) = self.database(table)
            && !self.own.client().await?.has_database(database).await?
        {
            return Ok(Vec::new());
        }
        self.of(table).await?.leftovers(table).await
    }

    async fn clear(&self, table: &TableToWrite, leftover: &Leftover) -> Result<()> {
        self.of(table).await?.clear(table, leftover).await
    }

    async fn transforms(
        &self,
        tables: &[TableToWrite],
    ) -> Result<Vec<Vec<Box<dyn TransformFactory>>>> {
        let mapping = &self.own.config.mapping;
        if mapping.is_empty() {
            return Ok(tables.iter().map(|_| Vec::new()).collect());
        }
        let mut goals = Vec::with_capacity(tables.len());
        for table in tables {
            let asks = mapping.of(table).is_some_and(|mapping| !mapping.constants.is_empty());
            goals.push(Goal {
                database: self.database(table).map(str::to_owned),
                collection: target::collection_of(&self.own.config, table).to_owned(),
                there: if asks { self.there(table).await? } else { None },
            });
        }
        mapping.transforms(tables, &goals)
    }

    fn refused_names(&self, table: &TableToWrite) -> Vec<RefusedName> {
        target::refused_names(&self.own.config, table)
    }

    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        let Some(database) = self.database(table) else { return self.own.plan(table).await };
        let sink = self.other(database).await?;
        let is_there = sink.client().await?.has_database(database).await?
            && !self.own.made_databases.contains(database);
        let plan = sink.plan(table).await;
        let plan = plan.map_err(|error| error.at(format!("database {database}")))?;
        Ok(of_server(database, !is_there, plan))
    }

    async fn write_locations(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
    ) -> Result<Vec<DataLocation>> {
        let sink = self.of(table).await?;
        if let Some(database) = self.database(table)
            && !sink.client().await?.has_database(database).await?
        {
            return Ok(Vec::new());
        }
        sink.write_locations(table, plan).await
    }

    async fn existing_ids(&self, table: &TableToWrite, ids: &ArrayRef) -> Result<ArrayRef> {
        self.of(table).await?.existing_ids(table, ids).await
    }

    async fn resume(&self, memos: &[&Value]) {
        self.own.resume(memos).await;
        self.others.lock().await.memos = memos.iter().map(|memo| (*memo).clone()).collect();
    }

    fn gives_ids(&self) -> bool {
        self.own.gives_ids()
    }

    fn batch_bytes(&self) -> u64 {
        self.own.batch_bytes()
    }

    fn granularity(&self) -> Granularity {
        self.own.granularity()
    }

    async fn prepare(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
        start: &Start,
        meter: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        let sink = self.of(table).await?;
        if let Some(database) = self.database(table) {
            sink.client().await?.create_database(database).await.map_err(|error| {
                Error::from(error).at(format!("making the database {database}"))
            })?;
        }
        sink.prepare(table, plan, start, meter).await
    }

    async fn publish(&self, what: &str, rows: u64) -> Result<()> {
        match what.split_once(IN) {
            Some((database, what)) => self.other(database).await?.publish(what, rows).await,
            None => self.own.publish(what, rows).await,
        }
    }

    async fn read_back(&self, table: &TableToWrite) -> Result<ReadBack> {
        self.of(table).await?.read_back(table).await
    }

    async fn read_back_waiting(&self, table: &TableToWrite) -> Result<ReadBack> {
        self.of(table).await?.read_back_waiting(table).await
    }

    fn write_load(&self) -> Option<WriteLoad> {
        self.own.write_load()
    }

    async fn close(&self) {
        for sink in self.all().await {
            sink.close().await;
        }
    }
}
