//! Looking at a target and saying what would happen.

use super::beside::{Beside, Left};
use super::config::{Config, OnConflict, OnDuplicateId};
use super::decide::decide;
use super::index::{NewIndex, for_existing, for_new};
use super::shape::Shape;
use super::target::{Found, Target};
use super::{Milvus, count};
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::field::fields_words;
use crate::sink::{Decision, IdRules, Mode, Publish, TableToWrite, TargetPlan};

/// Everything decided about one target, from its state on the server.
pub(super) struct Intent {
    pub target: Target,
    pub found: Found,
    pub decision: Decision,
    pub shape: Shape,
    pub index: Option<NewIndex>,
    pub index_note: String,
    /// Where a collection that is overwritten is filled, and what an earlier run left there; none
    /// where the server can't rename it into place, or a partition is meant.
    pub beside: Option<(Beside, Left)>,
}

impl Intent {
    /// True when the collection has to be made (or made anew).
    pub(super) fn makes_collection(&self) -> bool {
        match self.decision {
            Decision::Create => self.found.collection.is_none(),
            Decision::Overwrite => self.target.whole,
            Decision::Append | Decision::Skip => false,
        }
    }

    /// Where the rows are written.
    pub(super) fn filled(&self) -> Target {
        match &self.beside {
            Some((beside, _)) if self.decision == Decision::Overwrite => {
                self.target.within(&beside.new)
            }
            _ => self.target.clone(),
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
        let version = client.version();
        let found = Found::ask(client, &target).await?;
        let mut decision = decide(config.mode, &target, &found)?;
        let mut beside = None;
        if config.mode == Mode::Overwrite && target.whole && version.can_rename() {
            let names = Beside::of(&target.collection);
            let left = names.look(client).await?;
            if matches!(left, Left::Unnamed | Left::Aside) {
                decision = Decision::Overwrite;
            }
            beside = Some((names, left));
        } else if found.collection.is_none() {
            Beside::of(&target.collection).check_not_aside(client).await?;
        }
        let anew = decision == Decision::Overwrite && target.whole;
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
        let intent = Intent { target, found, decision, shape, index, index_note, beside };
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
        if self.target.partition.is_some() && !self.makes_collection() && self.has_partition_key() {
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
    Ok(TargetPlan {
        target: target.to_string(),
        decision: Decision::Skip,
        rows_before: rows_now(client, target, found).await?.0,
        notes: vec![format!("{target} exists and is left alone")],
        ids: IdRules::default(),
        publish: None,
    })
}

/// The rows of a target, where that can be told, and whether it is loaded.
async fn rows_now(client: &Client, target: &Target, found: &Found) -> Result<(Option<u64>, bool)> {
    if !found.has_place_for(target) {
        return Ok((Some(0), false));
    }
    let loaded = client.is_loaded(&target.collection, &target.scope(found)).await?;
    Ok((count::estimate(client, target, loaded).await?, loaded))
}

/// How the old rows go and the new ones come.
async fn overwrite_notes(client: &Client, intent: &Intent, loaded: bool) -> Result<Vec<String>> {
    let target = &intent.target;
    let gone = "until the run is complete, the old rows are gone and the new ones incomplete";
    if let (Some(partition), false) = (&target.partition, target.whole) {
        return Ok(vec![format!(
            "Milvus can't rename partitions: {partition} is dropped first, and {gone}"
        )]);
    }
    let Some((beside, left)) = &intent.beside else {
        let mut notes = vec![format!(
            "{} can't rename collections: the old one is dropped first, and {gone}",
            client.version()
        )];
        if loaded {
            notes.push("afterwards it is not loaded any more: load it before searching".to_owned());
        }
        return Ok(notes);
    };
    let Beside { name, new, old } = beside;
    let mut notes = match left {
        Left::Nothing => Vec::new(),
        Left::Unfinished => {
            vec![format!("{new}, which an earlier run left unfinished, is dropped first")]
        }
        Left::Unnamed => vec![format!(
            "an earlier run was cut off just before {new} took the place of {name}: that is finished first"
        )],
        Left::Replaced => vec![format!("{old}, which an earlier run replaced, is dropped first")],
        Left::Aside => vec![format!("{old}, as an earlier run left it, gets its name back first")],
    };
    notes.push(format!(
        "the new rows are filled into {new}, which takes the place of the old collection, with all its partitions, once they are complete and counted"
    ));
    if intent.found.collection.is_some() {
        let aliases = client.aliases(name).await?;
        if !aliases.is_empty() {
            notes.push(format!("its aliases move along: {}", aliases.join(", ")));
        }
    }
    if loaded && !client.version().is_lite() {
        notes.push(match intent.index {
            Some(_) => "it is loaded, and so is the new one when it takes its place".to_owned(),
            None => "afterwards it is not loaded any more, as it has no index".to_owned(),
        });
    }
    Ok(notes)
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
        let (target, found) = (&intent.target, &intent.found);
        let leads = self.state.lock().await.claim(target, intent.decision)?;
        let (rows_before, loaded) = rows_now(client, target, found).await?;
        // Its rows have another name just now.
        let nameless = intent.decision == Decision::Overwrite && found.collection.is_none();
        let rows_before = rows_before.filter(|_| !nameless);
        let ids_can_be_there = intent.ids_can_be_there(client);
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
        let mut notes = match leads && intent.decision == Decision::Overwrite {
            true => overwrite_notes(client, &intent, loaded).await?,
            false => Vec::new(),
        };
        notes.extend(self.notes(client, table, &intent, loaded));
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
            publish: (intent.filled() != *target).then(|| Publish {
                what: target.collection.clone(),
                from: intent.filled().to_string(),
            }),
        })
    }

    fn notes(
        &self,
        client: &Client,
        table: &TableToWrite,
        intent: &Intent,
        loaded: bool,
    ) -> Vec<String> {
        let Intent { shape, index_note, .. } = intent;
        let mut notes = Vec::new();
        if intent.makes_collection() {
            notes.push(format!("new collection with {}", fields_words(&shape.fields)));
        }
        notes.extend(shape.notes.iter().cloned());
        notes.push(index_note.clone());
        if !loaded && !client.version().is_lite() {
            notes.push("not loaded: load it before searching".to_owned());
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
