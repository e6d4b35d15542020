//! Doing what the plan said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use tokio::sync::Mutex;

use super::beside::{Beside, Left};
use super::check::Checks;
use super::config::{OnConflict, OnDuplicateId};
use super::count::{Before, CountBy};
use super::ids_file::IdsFile;
use super::lookup::Lookup;
use super::plan::Intent;
use super::target::{Found, Target};
use super::write::{Clash, MAX_REQUEST, Shared, Table};
use super::{Milvus, State};
use crate::error::{Error, Result};
use crate::flow::Meter;
use crate::milvus::v2::Client;
use crate::milvus::v2::insert::{InsertHead, Verb};
use crate::milvus::v2::load::Loaded;
use crate::sink::{Decision, TableToWrite, TableWriter, TargetPlan};
use crate::words::count;

impl Milvus {
    pub(super) async fn make_ready(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
        meter: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        let client = self.client().await?;
        let mut state = self.state.lock().await;
        if let (Some(path), None) = (&self.config.ids_file, &state.ids_file) {
            state.ids_file = Some(IdsFile::open(path)?);
        }
        let mut intent = Intent::form(&self.config, client, table).await?;
        if let Some((beside, left)) = &intent.beside
            && *left != Left::Nothing
            && !state.created.contains(&beside.new)
        {
            beside.recover(client).await?;
            intent = Intent::form(&self.config, client, table).await?;
        }
        // The run's other tables may have made the collection, and its default partition with it.
        if plan.decision == Decision::Create && state.created.contains(&intent.target.collection) {
            intent.decision = Decision::Create;
        }
        if intent.decision != plan.decision {
            return Err(Error::target(format!(
                "{} changed since it was looked at: the plan was to {}, now it would be to {}",
                intent.target,
                verb_of(plan.decision),
                verb_of(intent.decision)
            ))
            .help("something else works on it; run again when it rests"));
        }
        let asked = state.take_lookup(&intent.target);
        self.make(client, table, &intent, &mut state).await?;
        let target = intent.filled();
        let collection = target.collection.clone();
        let clash = self.clash(client, &intent);
        let lookup = match (clash, asked) {
            (_, Some(lookup)) => Some(lookup),
            (Clash::None, None) => None,
            (_, None) => Some(Lookup::open(client, &intent, &self.loads, false).await?),
        };
        let exactly = exact_count(client, &intent, lookup.as_ref()).await?;
        let lookup = match (clash, lookup) {
            (Clash::None, Some(lookup)) => {
                self.loads.release(client, &collection, lookup.loaded).await?;
                None
            }
            (_, lookup) => lookup,
        };
        let found = Found::ask(client, &target).await?;
        let count_by = CountBy::choose(client, &target, &found, clash).await?;
        let rows = match intent.decision {
            _ if count_by == CountBy::WholeStatistics => count_by.count(client, &target).await?,
            Decision::Append => {
                if count_by == CountBy::Statistics {
                    client.flush(&collection).await?;
                }
                count_by.count(client, &target).await?
            }
            _ => 0,
        };
        let ids_file = state.ids_file.clone();
        drop(state);
        let can_load = found.index_on(&intent.shape.vector).is_some();
        let before = Before { count_by, rows, exactly: exactly.filter(|_| can_load) };
        // Rows that a repetition replaces can be told apart only by a query.
        let repeat_as = self.repeat_as(client, clash, intent.decision).filter(|_| {
            client.version().is_lite() || before.exactly.is_some() || count_by == CountBy::Query
        });
        let scope = (target.scope(&found), target.partition.is_none());
        let head = InsertHead {
            database: client.database().unwrap_or_default().to_owned(),
            collection,
            partition: target.partition.clone().unwrap_or_default(),
            columns: intent.shape.columns.clone(),
        };
        let id = table.schema.id_index();
        let shared = Shared {
            checks: Checks::new(&intent.shape.fields, id, client.version().is_lite()),
            client: client.clone(),
            repeat_as,
            target,
            head,
            id,
            clash,
            lookup: Mutex::new(lookup),
            loads: self.loads.clone(),
            max_request: AtomicUsize::new(MAX_REQUEST),
            upserted: AtomicBool::new(false),
            ids_file,
            meter,
        };
        Ok(Arc::new(Table { shared: Arc::new(shared), before, scope }))
    }

    /// Creates, drops, leaves alone.
    async fn make(
        &self,
        client: &Client,
        table: &TableToWrite,
        intent: &Intent,
        state: &mut State,
    ) -> Result<()> {
        let Intent { found, decision, index, .. } = intent;
        let target = intent.filled();
        let name = &target.collection;
        if intent.makes_collection() {
            // Only the first of several targets in it.
            if !state.created.contains(name) {
                if *decision == Decision::Overwrite && intent.beside.is_none() {
                    self.try_out(client, table, intent).await?;
                    client.drop_collection(name).await?;
                }
                if let Err(error) = self.create(client, table, intent, name).await {
                    // An index that is refused leaves a collection that nobody would fill.
                    if intent.beside.is_some() && client.drop_collection(name).await.is_err() {
                        tracing::warn!("Collection {name} stays behind, without rows");
                    }
                    return Err(error);
                }
                state.created.push(name.clone());
            }
            return make_partition(client, &target).await;
        }
        if let (Some(index), None) = (index, found.index_on(&intent.shape.vector)) {
            index.create(client, name).await?;
        }
        match (&target.partition, decision) {
            (Some(partition), Decision::Overwrite) => {
                replace_partition(client, name, partition).await
            }
            _ => make_partition(client, &target).await,
        }
    }

    async fn create(
        &self,
        client: &Client,
        table: &TableToWrite,
        intent: &Intent,
        name: &str,
    ) -> Result<()> {
        let fields = intent.shape.fields.clone();
        let marks = match &intent.beside {
            Some((beside, _)) if *name == beside.new => beside.marks(client, &self.run).await?,
            _ => Vec::new(),
        };
        client.create_collection(name, &self.description(table), fields, marks).await?;
        match &intent.index {
            Some(index) => index.create(client, name).await,
            None => Ok(()),
        }
    }

    /// Puts a collection that was filled beside an old one in its place.
    pub(super) async fn put_in_place(&self, name: &str, rows: u64) -> Result<()> {
        let client = self.client().await?;
        let beside = Beside::of(name);
        // There a row takes the place of the one with its id in any partition.
        if client.version().is_lite() {
            let held = client.row_count(&beside.new, None).await?;
            if held != rows {
                return Err(Error::differ(format!(
                    "Collection {} holds {} rows, {} were written into its partitions",
                    beside.new,
                    count(held),
                    count(rows)
                ))
                .help(format!("Milvus Lite keeps one row per id and collection: an id stands in several partitions; the old rows are still in {name}")));
            }
        }
        beside
            .take_place(client, &self.run)
            .await
            .map_err(|error| error.at(format!("putting {} in the place of {name}", beside.new)))?;
        tracing::info!("Collection {name} has been replaced");
        Ok(())
    }

    /// Makes the collection under another name and drops it again: what the server refuses (an
    /// index parameter, a field) shows before the old rows are gone.
    async fn try_out(&self, client: &Client, table: &TableToWrite, intent: &Intent) -> Result<()> {
        let name: String = intent.target.collection.chars().take(230).collect();
        let name = format!("{name}_vecpipe_trial");
        client.drop_collection(&name).await?;
        let outcome = self.create(client, table, intent, &name).await;
        client.drop_collection(&name).await?;
        outcome
    }

    /// What is done about rows whose ids are there already.
    fn clash(&self, client: &Client, intent: &Intent) -> Clash {
        match self.config.on_conflict {
            _ if !intent.ids_can_be_there(client) => Clash::None,
            OnConflict::Fail | OnConflict::Insert => Clash::None,
            OnConflict::Skip => Clash::Skip,
            OnConflict::Upsert => Clash::Replace,
        }
    }

    /// How a request is repeated when nobody knows whether it was carried out; `None` where any
    /// repetition could double rows or take others away.
    fn repeat_as(&self, client: &Client, clash: Clash, decision: Decision) -> Option<Verb> {
        // Milvus Lite replaces by itself.
        if client.version().is_lite() {
            return Some(if clash == Clash::Replace { Verb::Upsert } else { Verb::Insert });
        }
        if clash == Clash::Replace {
            return Some(Verb::Upsert);
        }
        if !client.version().has_upsert() {
            return None;
        }
        // An upsert of rows whose ids nobody else has is an insert that can be done twice.
        let ids_once = self.config.on_duplicate_id == OnDuplicateId::Fail;
        let ids_absent = decision != Decision::Append
            || matches!(self.config.on_conflict, OnConflict::Fail | OnConflict::Skip);
        (ids_once && ids_absent).then_some(Verb::Upsert)
    }
}

/// What a query counts in the target before the first write, where that is known or can be asked
/// now.
async fn exact_count(
    client: &Client,
    intent: &Intent,
    lookup: Option<&Lookup>,
) -> Result<Option<u64>> {
    match (intent.decision, lookup) {
        // Milvus Lite has exact statistics, and no queries of partitions.
        _ if client.version().is_lite() => Ok(None),
        (Decision::Create | Decision::Overwrite, _) => Ok(Some(0)),
        (Decision::Append, Some(lookup)) if lookup.nothing_there() => Ok(Some(0)),
        (Decision::Append, Some(_)) => CountBy::Query.count(client, &intent.target).await.map(Some),
        (Decision::Append | Decision::Skip, _) => Ok(None),
    }
}

/// Makes the target's partition where it is missing.
async fn make_partition(client: &Client, target: &Target) -> Result<()> {
    match &target.partition {
        Some(partition) if !client.partitions(&target.collection).await?.contains(partition) => {
            Ok(client.create_partition(&target.collection, partition).await?)
        }
        _ => Ok(()),
    }
}

/// Empties a partition by making it anew; loaded again if it was.
async fn replace_partition(client: &Client, collection: &str, partition: &str) -> Result<()> {
    let names = vec![partition.to_owned()];
    // Milvus Lite drops partitions of loaded collections.
    let loaded = !client.version().is_lite() && client.is_loaded(collection, &names).await?;
    if loaded {
        client.release(collection, Loaded::Partitions(names.clone())).await?;
    }
    client.drop_partition(collection, partition).await?;
    client.create_partition(collection, partition).await?;
    if loaded {
        client.load_missing(collection, &names, false).await?;
    }
    Ok(())
}

fn verb_of(decision: Decision) -> &'static str {
    match decision {
        Decision::Create => "create it",
        Decision::Append => "append to it",
        Decision::Skip => "leave it alone",
        Decision::Overwrite => "overwrite it",
    }
}
