//! Which ids the target holds already.

use arrow_array::{Array, ArrayRef};

use super::loads::Loads;
use super::plan::Intent;
use super::target::target_of;
use super::{Milvus, State};
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::load::Loaded;
use crate::sink::server::Target;
use crate::sink::{Decision, TableToWrite};

/// A target that has been made ready to be asked for ids.
#[derive(Debug, Clone)]
pub(super) struct Lookup {
    /// Name of the primary key; none when there are no rows to ask for.
    key: Option<String>,
    /// Partitions to ask; all when empty.
    partitions: Vec<String>,
    /// What was loaded for it.
    pub loaded: Loaded,
}

impl Lookup {
    /// Makes a target ready: it must be loaded, and for that it needs an index.
    pub(super) async fn open(
        client: &Client,
        intent: &Intent,
        loads: &Loads,
        dry_run: bool,
    ) -> Result<Lookup> {
        let Intent { target, found, decision, shape, indexes, .. } = intent;
        let lite = client.version().is_lite();
        let empty = Lookup { key: None, partitions: Vec::new(), loaded: Loaded::Nothing };
        // Milvus Lite keeps one row per id and collection, whatever the partition.
        let whole = target.partition.is_none() || lite;
        if found.collection.is_none() || (!whole && !found.has_place_for(target)) {
            return Ok(empty);
        }
        let mut scope = if whole { found.partitions.clone() } else { found.scope(target) };
        // The rows of a partition that is replaced are in nobody's way.
        let replaced = target.partition.as_ref().filter(|_| *decision == Decision::Overwrite);
        if let Some(partition) = replaced {
            scope.retain(|name| name != partition);
            if scope.is_empty() {
                return Ok(empty);
            }
        }
        if !lite
            && !client.is_loaded(&target.collection, &scope).await?
            && found.index_on(&shape.vector).is_none()
        {
            match indexes.as_slice() {
                [_, ..] if dry_run => {
                    tracing::warn!(
                        %target,
                        "Its ids can't be looked up yet: the run makes the index that is needed for it"
                    );
                    return Ok(empty);
                }
                [index, ..] => super::index::create(client, &target.collection, index).await?,
                [] => {
                    client.flush(&target.collection).await?;
                    let partition = target.partition.as_deref();
                    if client.row_count(&target.collection, partition).await? == 0 {
                        return Ok(empty);
                    }
                    return Err(no_index(target));
                }
            }
        }
        let loaded = client.load_missing(&target.collection, &scope, whole).await?;
        loads.note(&target.collection, &loaded);
        if loaded != Loaded::Nothing {
            tracing::info!(%target, "Loaded to look up ids");
        }
        Ok(Lookup {
            key: Some(shape.key.clone()),
            partitions: if whole && replaced.is_none() { Vec::new() } else { scope },
            loaded,
        })
    }

    /// True when the target was found empty.
    pub(super) fn nothing_there(&self) -> bool {
        self.key.is_none()
    }

    /// Those of `ids` that the target holds.
    pub(super) async fn existing(
        &self,
        client: &Client,
        target: &Target,
        ids: &ArrayRef,
    ) -> Result<ArrayRef> {
        match &self.key {
            None => Ok(ids.slice(0, 0)),
            Some(key) => {
                Ok(client.existing_ids(&target.collection, &self.partitions, key, ids).await?)
            }
        }
    }
}

/// Nothing can be asked of a collection that can't be loaded.
pub(super) fn no_index(target: &Target) -> Error {
    Error::target(format!(
        "Cannot look up which ids {target} holds: its vectors have no index, so Milvus does not load it"
    ))
    .help("give sink.milvus.index a type (for example AUTOINDEX) to have one made, or set on_conflict: insert to write without a look")
}

impl State {
    fn lookup(&self, target: &Target) -> Option<Lookup> {
        self.lookups.iter().find(|(of, _)| of == target).map(|(_, lookup)| lookup.clone())
    }

    /// Forgets a lookup, so that its owner can release what was loaded.
    pub(super) fn take_lookup(&mut self, target: &Target) -> Option<Lookup> {
        let at = self.lookups.iter().position(|(of, _)| of == target)?;
        Some(self.lookups.swap_remove(at).1)
    }
}

impl Milvus {
    pub(super) async fn look_up(&self, table: &TableToWrite, ids: &ArrayRef) -> Result<ArrayRef> {
        let client = self.client().await?;
        let target = target_of(&self.config, table)?;
        let mut state = self.state.lock().await;
        let lookup = match state.lookup(&target) {
            Some(lookup) => lookup,
            None => {
                let intent = self.intend(client, table).await?;
                let lookup = Lookup::open(client, &intent, &self.loads, self.dry_run).await?;
                state.lookups.push((target.clone(), lookup.clone()));
                lookup
            }
        };
        drop(state);
        lookup.existing(client, &target, ids).await
    }
}
