//! Making, emptying and replacing collections and partitions, as the plan said.

use super::beside::{Beside, LeftState, Rows, made_by};
use super::plan::Intent;
use super::{Milvus, State, index};
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::NewCollection;
use crate::milvus::v2::load::Loaded;
use crate::sink::server::Target;
use crate::sink::{Decision, TableToWrite};
use crate::words::count;

impl Milvus {
    /// Creates, drops, leaves alone.
    pub(super) async fn make(
        &self,
        client: &Client,
        table: &TableToWrite,
        intent: &Intent,
        state: &mut State,
    ) -> Result<()> {
        let Intent { found, decision, indexes, .. } = intent;
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
            } else {
                // Where an interrupted run made the collection, it may not have come to its indexes.
                for index in indexes {
                    index::create_if_missing(client, name, index).await?;
                }
            }
            return make_partition(client, &target).await;
        }
        for index in indexes.iter().filter(|index| !found.has_index(index)) {
            index::create(client, name, index).await?;
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
        let beside = self.beside(&intent.target.collection);
        let marks = match name == beside.new {
            true => beside.marks(client).await?,
            false => vec![made_by(&beside.run)],
        };
        let new = intent.origin.collection(table, &intent.shape, client.version(), marks);
        let description = self.description(table, &new.description);
        client.create_collection(name, NewCollection { description, ..new }).await?;
        for index in &intent.indexes {
            index::create(client, name, index).await?;
        }
        Ok(())
    }

    /// The names that this run gives what it puts beside a collection.
    pub(super) fn beside(&self, collection: &str) -> Beside {
        Beside::of(collection, &self.owner.get().run)
    }

    /// Where the rows are that this run fills beside a target, or has put in its place.
    pub(super) async fn filled(&self, target: Target) -> Result<Target> {
        let client = self.client().await?;
        let beside = self.beside(&target.collection);
        Ok(match beside.rows(client).await? {
            Some(Rows::InPlace) => target,
            Some(Rows::Beside) | None => target.within(&beside.new),
        })
    }

    /// Puts a collection that was filled beside an old one in its place.
    pub(super) async fn put_in_place(&self, name: &str, rows: u64) -> Result<()> {
        let client = self.client().await?;
        let beside = self.beside(name);
        // An interrupted attempt may have begun with it.
        let left = Beside::look(client, name).await?;
        let own = left.iter().find(|left| left.names == beside).map(|left| left.state);
        match (beside.rows(client).await?, own) {
            (Some(Rows::InPlace), _) | (Some(Rows::Beside), Some(LeftState::Unnamed)) => {
                return Beside::recover(client, name, self.owner.get()).await;
            }
            _ => {}
        }
        // What was loaded to compare its rows, and has another name soon.
        self.loads.release_of(client, &beside.new).await?;
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
            .take_place(client, &self.intake)
            .await
            .map_err(|error| error.at(format!("putting {} in the place of {name}", beside.new)))?;
        tracing::info!("Collection {name} has been replaced");
        Ok(())
    }

    /// Makes the collection under another name and drops it again: what the server refuses (an
    /// index parameter, a field) shows before the old rows are gone.
    async fn try_out(&self, client: &Client, table: &TableToWrite, intent: &Intent) -> Result<()> {
        let beside = self.beside(&intent.target.collection);
        let outcome = self.create(client, table, intent, &beside.new).await;
        client.drop_collection(&beside.new).await?;
        outcome
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
