//! Looking at a target and saying what would happen.

use super::beside::{Beside, Left, LeftState};
use super::config::{Config, IndexConfig};
use super::decide::decide;
use super::index::{for_existing, for_new};
use super::notes::on_overwriting;
use super::origin::Origin;
use super::shape::Shape;
use super::target::{Found, target_of};
use super::{Milvus, count};
use crate::error::{Error, Result};
use crate::milvus::v2::definition::IndexDefinition;
use crate::milvus::v2::field::is_vector;
use crate::milvus::v2::{Client, ServerVersion};
use crate::sink::server::{OnConflict, OnDuplicateId, Target};
use crate::sink::{Decision, IdRules, Mode, Publish, TableToWrite, TargetPlan};

/// Everything decided about one target, from its state on the server.
pub(super) struct Intent {
    pub target: Target,
    pub found: Found,
    pub decision: Decision,
    pub shape: Shape,
    /// What a collection that is made has from the one that its rows come from.
    pub origin: Origin,
    /// True when rows keep the source's ids.
    pub keeps_ids: bool,
    /// Indexes that are made.
    pub indexes: Vec<IndexDefinition>,
    pub index_note: String,
    /// Where a collection that is overwritten is filled, and what earlier runs left there; none
    /// where the server can't rename it into place, or a partition is meant.
    pub beside: Option<(Beside, Vec<Left>)>,
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
            _ if !self.keeps_ids => false,
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
        (config, run): (&Config, &str),
        client: &Client,
        table: &TableToWrite,
    ) -> Result<Intent> {
        let target = target_of(config, table)?;
        let version = client.version();
        let found = Found::ask(client, &target).await?;
        let mut decision = decide(config.mode, &target, &found)?;
        let mut beside = None;
        if config.mode == Mode::Overwrite && target.whole && version.can_rename() {
            let left = Beside::look(client, &target.collection).await?;
            let nameless = [LeftState::Unnamed, LeftState::Aside];
            if left.iter().any(|left| nameless.contains(&left.state)) {
                decision = Decision::Overwrite;
            }
            beside = Some((Beside::of(&target.collection, run), left));
        } else if found.collection.is_none() {
            Beside::check_not_aside(client, &target.collection).await?;
        }
        let anew = decision == Decision::Overwrite && target.whole;
        let origin = match &found.collection {
            // One that is there can do without.
            Some(_) if !anew => Origin::of(table).unwrap_or_default(),
            _ => Origin::of(table)?,
        };
        let (shape, (indexes, index_note)) = match &found.collection {
            Some(collection) if !anew => {
                let shape = Shape::of_existing(config, table, collection, version)?;
                let (index, note) = for_existing(config, table, &shape.vector, &found, version)?;
                (shape, (index.into_iter().collect(), note))
            }
            _ => {
                let shape = Shape::of_new(config, table, &origin, version)?;
                let indexes = indexes_of_new(config, table, &origin, &shape, version)?;
                (shape, indexes)
            }
        };
        let intent = Intent {
            target,
            found,
            decision,
            shape,
            origin,
            keeps_ids: config.keep_ids,
            indexes,
            index_note,
            beside,
        };
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
        match &self.found.collection {
            Some(collection) if !self.makes_collection() => collection.has_partition_key(),
            _ => self.shape.fields.iter().any(|field| field.is_partition_key),
        }
    }
}

/// The indexes of a collection that is made, and a note about them.
pub(super) fn indexes_of_new(
    config: &Config,
    table: &TableToWrite,
    origin: &Origin,
    shape: &Shape,
    version: &ServerVersion,
) -> Result<(Vec<IndexDefinition>, String)> {
    let all = origin.indexes(table, shape, version);
    let (vectors, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|index| index.field == shape.vector);
    let as_there = config.index == IndexConfig::default() && config.schema.metric.is_none();
    if as_there && !vectors.is_empty() {
        let (indexes, lost) = takes(version, shape, [vectors, others].concat())?;
        let note = format!("indexes as at the source: {}{lost}", words_of(&indexes));
        return Ok((indexes, note));
    }
    let (index, note) = for_new(config, table, &shape.vector, version)?;
    // None at all is what none says.
    if others.is_empty() || index.is_none() {
        return Ok((index.into_iter().collect(), note));
    }
    let (others, lost) = takes(version, shape, others)?;
    let note = match others.is_empty() {
        true => format!("{note}{lost}"),
        false => format!("{note}; as at the source: {}{lost}", words_of(&others)),
    };
    Ok((index.into_iter().chain(others).collect(), note))
}

/// Those of the source's indexes that a server can make, and words for those that are left out.
/// Searches need the ones on vectors, so those are not left out.
fn takes(
    version: &ServerVersion,
    shape: &Shape,
    indexes: Vec<IndexDefinition>,
) -> Result<(Vec<IndexDefinition>, String)> {
    let known =
        |i: &IndexDefinition| version.takes_index(&i.index_type, Origin::type_of(shape, &i.field));
    let (known, lost): (Vec<_>, Vec<_>) = indexes.into_iter().partition(known);
    if let Some(index) = lost.iter().find(|i| is_vector(Origin::type_of(shape, &i.field))) {
        let IndexDefinition { index_type, field, metric_type, .. } = index;
        let error = Error::config(format!(
            "{version} has no index {index_type}, which is what the source has on {field}"
        ));
        return Err(match *field == shape.vector {
            true => error.help(format!(
                "say which one shall be made in its place: sink.milvus.index: {{ type: AUTOINDEX, metric: {metric_type} }}, or another type; none makes no index"
            )),
            false => error.help(
                "write sink.milvus.index: none, and make the indexes when the rows are there",
            ),
        });
    }
    let words = match lost.is_empty() {
        true => String::new(),
        false => format!("; left out, as {version} has no such index: {}", words_of(&lost)),
    };
    Ok((known, words))
}

/// `HNSW on v (COSINE), STL_SORT on price`.
fn words_of(indexes: &[IndexDefinition]) -> String {
    let words = indexes.iter().map(|index| {
        let what = if index.index_type.is_empty() { "an index" } else { &index.index_type };
        match index.metric_type.as_str() {
            "" => format!("{what} on {}", index.place()),
            metric => format!("{what} on {} ({metric})", index.place()),
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The rows of a target, where that can be told, and whether it is loaded.
async fn rows_now(client: &Client, target: &Target, found: &Found) -> Result<(Option<u64>, bool)> {
    if !found.has_place_for(target) {
        return Ok((Some(0), false));
    }
    let loaded = client.is_loaded(&target.collection, &found.scope(target)).await?;
    Ok((count::estimate(client, target, loaded).await?, loaded))
}

impl Milvus {
    /// Everything decided about the target of a table, from its state on the server.
    pub(super) async fn intend(&self, client: &Client, table: &TableToWrite) -> Result<Intent> {
        Intent::form((&self.config, &self.owner.get().run), client, table).await
    }

    pub(super) async fn make_plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        let client = self.client().await?;
        let target = target_of(&self.config, table)?;
        let found = Found::ask(client, &target).await?;
        if decide(self.config.mode, &target, &found)? == Decision::Skip {
            return self.leave_alone(client, table, &target, &found).await;
        }
        let intent = self.intend(client, table).await?;
        let (target, found) = (&intent.target, &intent.found);
        let leads = {
            let mut state = self.state.lock().await;
            state.claims.add(target, intent.decision, "sink.milvus")?
        };
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
            && intent.indexes.is_empty()
            && found.index_on(&intent.shape.vector).is_none()
        {
            return Err(super::lookup::no_index(target));
        }
        let mut notes = Vec::new();
        if intent.decision == Decision::Overwrite && (leads || !target.whole) {
            notes.extend(on_overwriting(client, &intent, (self.owner.get(), loaded)).await?);
        }
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
                unique: intent.keeps_ids && self.config.on_duplicate_id == OnDuplicateId::Fail,
                absent: ids_can_be_there
                    && self.config.on_conflict == OnConflict::Fail
                    && (rows_before != Some(0) || intent.shares_ids(client)),
            },
            rows: intent.shape.rules(client.version()),
            publish: (intent.filled() != *target).then(|| Publish {
                what: target.collection.clone(),
                from: intent.filled().to_string(),
                run: self.owner.get().run.clone(),
            }),
        })
    }

    /// The plan of a target that nothing moves into. It need not fit the table.
    async fn leave_alone(
        &self,
        client: &Client,
        table: &TableToWrite,
        target: &Target,
        found: &Found,
    ) -> Result<TargetPlan> {
        let version = client.version();
        let shape = found.collection.as_ref().and_then(|collection| {
            Shape::of_existing(&self.config, table, collection, version).ok()
        });
        Ok(TargetPlan {
            target: target.to_string(),
            decision: Decision::Skip,
            rows_before: rows_now(client, target, found).await?.0,
            notes: vec![format!("{target} exists and is left alone")],
            ids: IdRules::default(),
            rows: shape.map(|shape| shape.rules(version)).unwrap_or_default(),
            publish: None,
        })
    }

    /// The description of a collection that is made. `theirs` is what that of the source says.
    pub(super) fn description(&self, table: &TableToWrite, theirs: &str) -> String {
        let default = || match theirs {
            "" => format!("Moved by vecpipe from {} {}", self.source_kind, table.name),
            theirs => theirs.to_owned(),
        };
        self.config.description.clone().unwrap_or_else(default)
    }
}
