//! Looking at a target and saying what would happen.

use std::sync::Arc;

use arrow::datatypes::Int64Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array};

use super::Milvus1;
use super::config::Config;
use super::form::Form;
use super::target::{Found, target_of};
use crate::error::{Error, Result};
use crate::milvus::v1::Client;
use crate::sink::server::{OnConflict, OnDuplicateId, Target, late_note};
use crate::sink::{Decision, IdRules, TableToWrite, TargetPlan};

/// Everything decided about one target, from its state on the server.
pub(super) struct Intent {
    pub target: Target,
    pub found: Found,
    pub decision: Decision,
    pub form: Form,
    notes: Vec<String>,
}

impl Intent {
    pub(super) async fn make(
        config: &Config,
        client: &Client,
        table: &TableToWrite,
    ) -> Result<Intent> {
        let target = target_of(config, table)?;
        let found = Found::ask(client, &target).await?;
        let decision = target.decide(config.mode, found.exists(&target))?;
        let form = Form::of(config, &target.collection, table)?;
        let mut intent = Intent { target, found, decision, form, notes: Vec::new() };
        intent.notes = intent.notes(config, client)?;
        Ok(intent)
    }

    /// True when the collection has to be made (or made anew).
    pub(super) fn makes_collection(&self) -> bool {
        match self.decision {
            Decision::Create => self.found.collection.is_none(),
            Decision::Overwrite => self.target.whole,
            Decision::Append | Decision::Skip => false,
        }
    }

    fn notes(&self, config: &Config, client: &Client) -> Result<Vec<String>> {
        let Intent { target, found, decision, form, .. } = self;
        let mut notes = Vec::new();
        if *decision == Decision::Overwrite {
            let what = if target.whole { "the collection" } else { "the partition" };
            notes.push(format!(
                "{what} is dropped first, because Milvus 1.x can't rename: until the run is complete, the old rows are gone and the new ones incomplete"
            ));
        }
        match &found.collection {
            Some(there) if !self.makes_collection() => notes.extend(form.check_fit(there, config)?),
            _ => notes.push(format!(
                "new collection with {} dimensions, metric {} ({}), index_file_size {} MiB",
                form.collection.dim, form.metric, form.why, form.collection.index_file_size
            )),
        }
        let by_id =
            matches!(config.on_conflict, OnConflict::Fail | OnConflict::Skip | OnConflict::Upsert);
        notes.push(late_note(client.request_timeout()));
        if *decision == Decision::Append
            && by_id
            && target.partition.is_some()
            && !client.version().scopes_ids_by_partition()
        {
            notes.push(format!(
                "{} looks for ids in all partitions: a row with one of these ids in another partition counts as well",
                client.version()
            ));
        }
        Ok(notes)
    }
}

impl Milvus1 {
    pub(super) async fn make_plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        let client = self.client().await?;
        let target = target_of(&self.config, table)?;
        let found = Found::ask(client, &target).await?;
        let rows = match found.has_place_for(&target) {
            true => client.count(&target.collection, target.partition.as_deref()).await?,
            false => 0,
        };
        if target.decide(self.config.mode, found.exists(&target))? == Decision::Skip {
            return Ok(TargetPlan {
                target: target.to_string(),
                decision: Decision::Skip,
                rows_before: Some(rows),
                notes: vec![format!("{target} exists and is left alone")],
                ids: IdRules::default(),
                rows: Form::rules(table),
                publish: None,
            });
        }
        let intent = Intent::make(&self.config, client, table).await?;
        let claimed = (&intent.target, intent.decision);
        self.state.lock().await.claims.add(claimed.0, claimed.1, "sink.milvus1")?;
        Ok(TargetPlan {
            target: intent.target.to_string(),
            decision: intent.decision,
            rows_before: Some(rows),
            notes: intent.notes,
            ids: IdRules {
                unique: self.config.on_duplicate_id == OnDuplicateId::Fail,
                absent: intent.decision == Decision::Append
                    && self.config.on_conflict == OnConflict::Fail,
            },
            rows: Form::rules(table),
            publish: None,
        })
    }

    pub(super) async fn look_up(&self, table: &TableToWrite, ids: &ArrayRef) -> Result<ArrayRef> {
        let client = self.client().await?;
        let target = target_of(&self.config, table)?;
        let mut state = self.state.lock().await;
        // Rows that were not flushed can't be found. (A server does that by itself each second.)
        if !self.dry_run && !state.flushed.contains(&target.collection) {
            client.flush(&target.collection).await?;
            state.flushed.push(target.collection.clone());
        }
        drop(state);
        existing(client, &target, ids, table.schema.column().row_bytes()).await
    }
}

/// Which of `ids` the target holds, sorted and each once.
pub(super) async fn existing(
    client: &Client,
    target: &Target,
    ids: &ArrayRef,
    row_bytes: usize,
) -> Result<ArrayRef> {
    let Some(ids) = ids.as_primitive_opt::<Int64Type>() else {
        return Err(Error::internal(format!("Ids can't be {}", ids.data_type())));
    };
    let mut existing = client
        .existing_ids(&target.collection, target.partition.as_deref(), ids.values(), row_bytes)
        .await?;
    existing.sort_unstable();
    existing.dedup();
    Ok(Arc::new(Int64Array::from(existing)))
}
