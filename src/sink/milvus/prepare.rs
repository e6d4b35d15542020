//! Making a target ready for rows: it is as the plan said, and how it is counted is settled.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Mutex;

use super::Milvus;
use super::count::{Before, CountBy};
use super::finish::Finish;
use super::lookup::Lookup;
use super::new_ids::NewIds;
use super::plan::Intent;
use super::resume::{Memo, Resumed};
use super::shape::Shape;
use super::target::Found;
use super::write::{Shared, Table};
use crate::error::Result;
use crate::flow::Meter;
use crate::milvus::late::LateRequests;
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::insert::{InsertHead, Verb};
use crate::milvus::v2::proto::schema::DataType;
use crate::sink::server::{Clash, IdsFile, OnConflict, OnDuplicateId, cannot_tell};
use crate::sink::{Decision, Start, TableToWrite, TableWriter, TargetPlan};

impl Milvus {
    pub(super) async fn make_ready(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
        start: &Start,
        meter: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        let resumed = Resumed::of(start)?;
        let client = self.client().await?;
        let mut state = self.state.lock().await;
        if let (Some(path), None) = (&self.config.ids_file, &state.ids_file) {
            state.ids_file = Some(IdsFile::open(path, "sink.milvus.ids_file")?);
        }
        let mut intent = self.intend(client, table).await?;
        self.take_over(client, table, plan, &mut intent, &mut state).await?;
        intent.go_on(client, plan, start).await?;
        if matches!((start, plan.decision), (Start::Again, Decision::Create))
            && intent.indexes.is_empty()
        {
            intent.indexes = self.indexes_left_out(client, table, &intent)?;
        }
        // The run's other tables may have made the collection, and its default partition with it.
        if plan.decision == Decision::Create && state.created.contains(&intent.target.collection) {
            intent.decision = Decision::Create;
        }
        if intent.decision != plan.decision {
            return Err(intent.target.changed(plan.decision, intent.decision));
        }
        let asked = state.take_lookup(&intent.target);
        let target = intent.filled();
        let collection = target.collection.clone();
        let late = LateRequests::new(client.request_timeout());
        let in_doubt = resumed.as_ref().map_or(0, |resumed| resumed.in_doubt);
        let drops_again = matches!(start, Start::Again)
            && intent.decision == Decision::Overwrite
            && intent.beside.is_none();
        if in_doubt > 0 || drops_again {
            // The interrupted run's last requests might still be carried out.
            late.note(self.began);
        }
        if drops_again {
            late.wait().await;
        }
        let created = match &resumed {
            Some(resumed) => resumed.memo.created.clone(),
            None => {
                self.make(client, table, &intent, &mut state).await?;
                state.created.contains(&collection).then(|| collection.clone())
            }
        };
        let clash = self.clash(client, &intent);
        let lookup = match (clash, asked) {
            (_, Some(lookup)) => Some(lookup),
            (Clash::None, None) => None,
            (_, None) => Some(Lookup::open(client, &intent, &self.loads, false).await?),
        };
        let exactly = match &resumed {
            Some(_) => None,
            None => exact_count(client, &intent, lookup.as_ref()).await?,
        };
        let lookup = match (clash, lookup) {
            (Clash::None, Some(lookup)) => {
                self.loads.release(client, &collection, lookup.loaded).await?;
                None
            }
            (_, lookup) => lookup,
        };
        let before = match &resumed {
            Some(resumed) => resumed.memo.before,
            None => count_before(client, &intent, clash, exactly).await?,
        };
        let ids_file = state.ids_file.clone();
        drop(state);
        // Rows that a repetition replaces can be told apart only by a query.
        let repeat_as = self.repeat_as(client, clash, &intent).filter(|_| {
            let by_query = before.exactly.is_some() || before.count_by == CountBy::Query;
            client.version().is_lite() || by_query
        });
        let verb = self.verb(client, clash, &intent);
        let late = self.late_requests_double_rows(client, &intent).then_some(late);
        let lookup = match lookup {
            // The rows in doubt can be looked for, if they can be nobody else's.
            None if in_doubt > 0 && repeat_as.is_none() && intent.keeps_ids => {
                if !self.ids_can_be_looked_up(&intent) {
                    return Err(cannot_tell(table, &target, in_doubt));
                }
                Some(Lookup::open(client, &intent, &self.loads, false).await?)
            }
            lookup => lookup,
        };
        let database = self.config.database.clone();
        let memo = Memo { before, database, created };
        let new_ids = match intent.keeps_ids {
            true => None,
            false => {
                if let Some(late) = &late {
                    late.wait().await;
                }
                Some(NewIds::open(client, table, &intent, &memo, resumed.as_ref()).await?)
            }
        };
        let found = Found::ask(client, &target).await?;
        let scope = (found.scope(&target), target.partition.is_none());
        let head = InsertHead {
            database: client.database().unwrap_or_default().to_owned(),
            collection,
            partition: target.partition.clone().unwrap_or_default(),
            columns: intent.shape.columns.clone(),
        };
        let id = table.schema.id_index();
        let shared = Shared {
            client: client.clone(),
            verb,
            repeat_as,
            late,
            target,
            head,
            id,
            clash,
            lookup: Mutex::new(lookup),
            loads: self.loads.clone(),
            intake: Arc::clone(&self.intake),
            // An interrupted run may have.
            upserted: AtomicBool::new(resumed.is_some() && intent.keeps_ids),
            new_ids,
            ids_file,
            meter,
        };
        let finish = Finish::of(&self.config, &intent);
        Ok(Arc::new(Table { shared: Arc::new(shared), memo, scope, finish }))
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

    /// What requests do with their rows.
    ///
    /// An upsert of rows whose ids no other row has is an insert that can be carried out twice, and
    /// late: the row takes its own place. An insert that a server carries out after its repetition
    /// doubles the row.
    fn verb(&self, client: &Client, clash: Clash, intent: &Intent) -> Verb {
        match clash {
            Clash::Replace => Verb::Upsert,
            // Milvus Lite replaces by itself.
            _ if client.version().is_lite() => Verb::Insert,
            _ if upserts(client, intent) && self.ids_are_ours(intent) => Verb::Upsert,
            _ => Verb::Insert,
        }
    }

    /// True when a request that the server carries out late can double rows.
    pub(super) fn late_requests_double_rows(&self, client: &Client, intent: &Intent) -> bool {
        // Milvus Lite replaces by itself, unless it makes the ids.
        let replaces = client.version().is_lite() && intent.keeps_ids;
        !replaces && self.verb(client, self.clash(client, intent), intent) == Verb::Insert
    }

    /// How a request is repeated when nobody knows whether it was carried out; `None` where any
    /// repetition could double rows or take others away.
    fn repeat_as(&self, client: &Client, clash: Clash, intent: &Intent) -> Option<Verb> {
        if !intent.keeps_ids {
            return None;
        }
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
        self.ids_are_ours(intent).then_some(Verb::Upsert)
    }

    /// True when a row that has the id of one that is inserted can only be that row, and an upsert
    /// keeps its id.
    fn ids_are_ours(&self, intent: &Intent) -> bool {
        let key = intent.found.collection.as_ref().and_then(Collection::primary_key);
        // A server that makes the ids might give an upserted row a new one.
        let makes_ids = !intent.makes_collection() && key.is_some_and(|key| key.auto_id);
        intent.keeps_ids && !makes_ids && self.ids_can_be_looked_up(intent)
    }

    /// True when a row that has the id of one that is inserted can only be that row.
    fn ids_can_be_looked_up(&self, intent: &Intent) -> bool {
        let once = self.config.on_duplicate_id == OnDuplicateId::Fail;
        let absent = intent.decision != Decision::Append
            || matches!(self.config.on_conflict, OnConflict::Fail | OnConflict::Skip);
        once && absent
    }
}

/// True when the server can upsert every row of the target.
fn upserts(client: &Client, intent: &Intent) -> bool {
    let Shape { fields, key, .. } = &intent.shape;
    let of_text =
        fields.iter().any(|field| field.name == *key && field.data_type() == DataType::VarChar);
    match of_text {
        true => client.version().upserts_any_text(),
        false => client.version().has_upsert(),
    }
}

/// What the target holds before the first write. It is as loaded as it will be when it is complete.
async fn count_before(
    client: &Client,
    intent: &Intent,
    clash: Clash,
    exactly: Option<u64>,
) -> Result<Before> {
    let target = &intent.filled();
    let found = Found::ask(client, target).await?;
    let count_by = CountBy::choose(client, target, &found, clash).await?;
    let rows = match intent.decision {
        _ if count_by == CountBy::WholeStatistics => count_by.count(client, target).await?,
        Decision::Append => {
            let _settling = client.settle().await;
            if count_by == CountBy::Statistics {
                client.flush(&target.collection).await?;
            }
            count_by.count(client, target).await?
        }
        _ => 0,
    };
    let can_load = found.index_on(&intent.shape.vector).is_some();
    let by_query = exactly.or_else(|| (count_by == CountBy::Query).then_some(rows));
    Ok(Before { count_by, rows, exactly: by_query.filter(|_| can_load) })
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
