//! Looking at a target and saying what would happen.

use super::config::Config;
use super::decide::decide;
use super::index::{NewIndex, for_existing, for_new};
use super::shape::Shape;
use super::target::{Found, Target};
use super::{Milvus, count};
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::field::fields_words;
use crate::sink::server::{OnConflict, OnDuplicateId};
use crate::sink::{Decision, IdRules, TableToWrite, TargetPlan};

/// Everything decided about one target, from its state on the server.
pub(super) struct Intent {
    pub target: Target,
    pub found: Found,
    pub decision: Decision,
    pub shape: Shape,
    pub index: Option<NewIndex>,
    pub index_note: String,
}

impl Intent {
    /// True when the collection has to be made (or made anew).
    pub(super) fn makes_collection(&self) -> bool {
        match self.decision {
            Decision::Create => self.found.collection.is_none(),
            Decision::Overwrite => self.target.partition.is_none(),
            Decision::Append | Decision::Skip => false,
        }
    }

    /// True when ids of the table can be there already.
    pub(super) fn ids_can_be_there(&self, client: &Client) -> bool {
        match self.decision {
            Decision::Append => true,
            Decision::Skip => false,
            // Milvus Lite keeps one row per id and collection: a row that goes to a new partition
            // would be taken from the partition that holds its id now.
            Decision::Create | Decision::Overwrite => {
                client.version().is_lite() && !self.makes_collection()
            }
        }
    }

    /// True when rows beyond the target itself hold ids that count: Milvus Lite keeps one row per
    /// id and collection, whatever the partition.
    fn shares_ids(&self, client: &Client) -> bool {
        client.version().is_lite() && self.target.partition.is_some() && !self.makes_collection()
    }

    pub(super) async fn form(
        config: &Config,
        client: &Client,
        table: &TableToWrite,
    ) -> Result<Intent> {
        let target = Target::of(config, table)?;
        let found = Found::ask(client, &target).await?;
        let decision = decide(config.mode, &target, &found)?;
        let version = client.version();
        let anew = decision == Decision::Overwrite && target.partition.is_none();
        let (shape, (index, index_note)) = match &found.collection {
            Some(collection) if !anew => {
                let shape = Shape::of_existing(config, table, collection, version)?;
                let index = for_existing(config, table, &shape.vector, &found, version)?;
                (shape, index)
            }
            _ => {
                let shape = Shape::of_new(config, table, version)?;
                let index = for_new(config, table, &shape.vector, version)?;
                (shape, index)
            }
        };
        let intent = Intent { target, found, decision, shape, index, index_note };
        intent.check_upsert(config, client)?;
        intent.check_partition_key()?;
        Ok(intent)
    }

    fn check_upsert(&self, config: &Config, client: &Client) -> Result<()> {
        if config.on_conflict == OnConflict::Upsert && !client.version().has_upsert() {
            return Err(Error::config(format!("{} has no upsert", client.version()))
                .at("sink.milvus.on_conflict")
                .help("choose fail, skip or insert, or a server of version 2.3 or later"));
        }
        if config.on_conflict == OnConflict::Upsert
            && self.decision == Decision::Append
            && self.target.partition.is_none()
            && self.found.has_other_partitions()
            && !client.version().is_lite()
            && !self.has_partition_key()
        {
            return Err(Error::config(format!(
                "Milvus upserts within one partition, and {} has several: an id could end up in two",
                self.target
            ))
            .help("name the partition with sink.milvus.partition"));
        }
        Ok(())
    }

    fn check_partition_key(&self) -> Result<()> {
        if self.target.partition.is_some() && self.has_partition_key() {
            return Err(Error::config(format!(
                "Collection {} is divided by a partition key: Milvus chooses the partitions",
                self.target.collection
            ))
            .help("leave out sink.milvus.partition"));
        }
        Ok(())
    }

    fn has_partition_key(&self) -> bool {
        let fields = self.found.collection.iter().flat_map(|collection| &collection.fields);
        fields.into_iter().any(|field| field.is_partition_key)
    }
}

/// The plan of a target that nothing moves into. It need not fit the table.
async fn leave_alone(client: &Client, target: &Target, found: &Found) -> Result<TargetPlan> {
    let loaded = client.is_loaded(&target.collection, &target.scope(found)).await?;
    Ok(TargetPlan {
        target: target.to_string(),
        decision: Decision::Skip,
        rows_before: count::estimate(client, target, loaded).await?,
        notes: vec![format!("{target} exists and is left alone")],
        ids: IdRules::default(),
    })
}

impl Milvus {
    pub(super) async fn make_plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        let client = self.client().await?;
        let target = Target::of(&self.config, table)?;
        let found = Found::ask(client, &target).await?;
        if decide(self.config.mode, &target, &found)? == Decision::Skip {
            return leave_alone(client, &target, &found).await;
        }
        let intent = Intent::form(&self.config, client, table).await?;
        self.state.lock().await.claim(&intent.target)?;
        let (target, found) = (&intent.target, &intent.found);
        let loaded = found.exists(target)
            && client.is_loaded(&target.collection, &target.scope(found)).await?;
        let ids_can_be_there = intent.ids_can_be_there(client);
        let rows_before = match found.exists(target) {
            false => Some(0),
            true => count::estimate(client, target, loaded).await?,
        };
        let looks = ids_can_be_there && self.config.on_conflict != OnConflict::Insert;
        if looks
            && !loaded
            && !client.version().is_lite()
            && rows_before.is_some_and(|rows| rows > 0)
            && intent.index.is_none()
            && found.index_on(&intent.shape.vector).is_none()
        {
            return Err(super::lookup::no_index(target));
        }
        let mut notes = self.notes(client, table, &intent, loaded);
        if looks && !loaded && rows_before != Some(0) {
            notes.push(format!(
                "{target} is not loaded: it is loaded while its ids are looked up, then released"
            ));
        }
        Ok(TargetPlan {
            target: target.to_string(),
            decision: intent.decision,
            rows_before,
            notes,
            ids: IdRules {
                unique: self.config.on_duplicate_id == OnDuplicateId::Fail,
                absent: ids_can_be_there
                    && self.config.on_conflict == OnConflict::Fail
                    && (rows_before != Some(0) || intent.shares_ids(client)),
            },
        })
    }

    fn notes(
        &self,
        client: &Client,
        table: &TableToWrite,
        intent: &Intent,
        loaded: bool,
    ) -> Vec<String> {
        let Intent { target, decision, shape, index_note, .. } = intent;
        let mut notes = Vec::new();
        if *decision == Decision::Overwrite {
            notes.push(match &target.partition {
                None => "the collection is dropped first: until the run is complete, the old rows are gone and the new ones incomplete".to_owned(),
                Some(partition) => format!("partition {partition} is dropped first: until the run is complete, its old rows are gone and the new ones incomplete"),
            });
        }
        if intent.makes_collection() {
            notes.push(format!("new collection with {}", fields_words(&shape.fields)));
        }
        notes.extend(shape.notes.iter().cloned());
        notes.push(index_note.clone());
        let made = intent.makes_collection();
        if (!loaded || made) && !client.version().is_lite() {
            let when = if loaded { "afterwards it is not loaded any more" } else { "not loaded" };
            notes.push(format!("{when}: load it before searching"));
        }
        let nulls = table.schema.arrow().fields().iter().any(|field| field.is_nullable());
        if nulls && !client.version().takes_nulls() {
            notes.push(format!("{} has no nulls: a row with one fails the run", client.version()));
        }
        let sends_twice = self.config.on_conflict == OnConflict::Insert
            && intent.ids_can_be_there(client)
            || self.config.on_duplicate_id == OnDuplicateId::Allow;
        if sends_twice && client.version().is_lite() {
            notes.push("Milvus Lite keeps one row per id, the last that comes".to_owned());
        }
        notes
    }

    /// The description of a collection that is made.
    pub(super) fn description(&self, table: &TableToWrite) -> String {
        let default = || format!("Moved by vecpipe from {} {}", self.source_kind, table.name);
        self.config.description.clone().unwrap_or_else(default)
    }
}
