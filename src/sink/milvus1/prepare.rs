//! Doing what the plan said.

use std::sync::Arc;

use tokio::sync::RwLock;

use super::Milvus1;
use super::plan::Intent;
use super::resume::Memo;
use super::write::{Shared, Table};
use crate::error::Result;
use crate::flow::Meter;
use crate::milvus::DEFAULT_PARTITION;
use crate::milvus::late::LateRequests;
use crate::milvus::v1::Client;
use crate::milvus::v1::insert::InsertHead;
use crate::sink::server::cannot_tell;
use crate::sink::server::{Clash, IdsFile, OnConflict, OnDuplicateId};
use crate::sink::{Decision, Start, TableToWrite, TableWriter, TargetPlan};

impl Milvus1 {
    pub(super) async fn make_ready(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
        start: &Start,
        meter: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        let resumed: Option<Memo> = match start {
            Start::GoOn(earlier) => Some(earlier.memo()?),
            Start::Fresh | Start::Again => None,
        };
        let client = self.client().await?;
        let mut state = self.state.lock().await;
        if let (Some(path), None) = (&self.config.ids_file, &state.ids_file) {
            state.ids_file = Some(IdsFile::open(path, "sink.milvus1.ids_file")?);
        }
        let mut intent = Intent::make(&self.config, client, table).await?;
        let collection = intent.target.collection.clone();
        intent.go_on(client, plan, start).await?;
        // The run's other tables may have made the collection, and its default partition with it.
        let made = state.created.contains(&collection);
        if made && intent.target.whole && plan.decision != Decision::Append {
            intent.decision = Decision::Create;
        } else if intent.decision != plan.decision {
            return Err(intent.target.changed(plan.decision, intent.decision));
        }
        let late = LateRequests::new(client.request_timeout());
        let drops_again = matches!(start, Start::Again) && intent.decision == Decision::Overwrite;
        let in_doubt = matches!(start, Start::GoOn(earlier) if earlier.rows_in_doubt() > 0);
        if in_doubt || drops_again {
            // The interrupted run's last requests might still be carried out.
            late.note(self.began);
        }
        if drops_again {
            late.wait().await;
        }
        let created = match &resumed {
            Some(memo) => memo.created.clone(),
            None => {
                make(client, &intent).await?;
                let created = (made && intent.target.whole) || intent.makes_collection();
                created.then(|| collection.clone())
            }
        };
        if let (Some(created), false) = (&created, made) {
            state.created.push(created.clone());
        }
        let ids_file = state.ids_file.clone();
        drop(state);
        let clash = match (intent.decision, self.config.on_conflict) {
            (Decision::Append, OnConflict::Skip) => Clash::Skip,
            (Decision::Append, OnConflict::Upsert) => Clash::Replace,
            _ => Clash::None,
        };
        // Rows that are replaced may lie in other partitions.
        let scopes_ids = client.version().scopes_ids_by_partition();
        let counted = match &intent.target.partition {
            Some(tag) if scopes_ids || clash != Clash::Replace => Some(tag.clone()),
            _ => None,
        };
        let rows_before = match (&resumed, intent.decision) {
            (Some(memo), _) => memo.rows_before,
            (None, Decision::Append) => {
                client.flush(&collection).await?;
                client.count(&collection, counted.as_deref()).await?
            }
            (None, _) => 0,
        };
        let can_repeat = self.ids_tell(&intent, scopes_ids);
        if let (Start::GoOn(earlier), false, Clash::None) = (start, can_repeat, clash)
            && earlier.rows_in_doubt() > 0
        {
            return Err(cannot_tell(table, &intent.target, earlier.rows_in_doubt()));
        }
        let shared = Shared {
            client: client.clone(),
            head: InsertHead {
                collection,
                partition: intent.target.partition.clone().unwrap_or_default(),
                id: table.schema.id_index(),
                vector: table.schema.vector_index(),
            },
            row_bytes: table.schema.column().row_bytes(),
            clash,
            can_repeat,
            late,
            counted,
            replacing: RwLock::default(),
            intake: Arc::clone(&self.intake),
            ids_file,
            meter,
            target: intent.target,
        };
        let memo = Memo { rows_before, created };
        Ok(Arc::new(Table { shared: Arc::new(shared), memo }))
    }

    /// True when a row that has an id of the source can only be one that this run has sent, so that
    /// a look tells whether a request was carried out.
    fn ids_tell(&self, intent: &Intent, scopes_ids: bool) -> bool {
        let unique = self.config.on_duplicate_id == OnDuplicateId::Fail;
        let absent =
            intent.decision != Decision::Append || self.config.on_conflict != OnConflict::Insert;
        // An old server would also speak of other partitions' rows.
        let alone = scopes_ids || intent.target.partition.is_none();
        unique && absent && alone
    }
}

/// Creates, drops, leaves alone.
async fn make(client: &Client, intent: &Intent) -> Result<()> {
    let Intent { target, found, decision, form, .. } = intent;
    let (name, anew) = (&target.collection, intent.makes_collection());
    if anew {
        if *decision == Decision::Overwrite {
            client.drop_collection(name).await?;
        }
        client.create_collection(&form.collection).await?;
    }
    let Some(tag) = target.partition.as_deref().filter(|tag| *tag != DEFAULT_PARTITION) else {
        return Ok(());
    };
    if *decision == Decision::Overwrite && !anew {
        client.drop_partition(name, tag).await?;
    }
    match !anew && *decision != Decision::Overwrite && found.has_place_for(target) {
        true => Ok(()),
        false => Ok(client.create_partition(name, tag).await?),
    }
}
