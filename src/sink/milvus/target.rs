//! The collection or partition that a table goes to, and its state on the server.

use super::config::Config;
use crate::error::Result;
use crate::milvus::DEFAULT_PARTITION;
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::definition::IndexDefinition;
use crate::milvus::v2::index::Index;
use crate::sink::server::{Target, check_name, refused};
use crate::sink::{NameOf, RefusedName, TableToWrite};

/// Where a table goes.
pub(super) fn target_of(config: &Config, table: &TableToWrite) -> Result<Target> {
    let target = named_target_of(config, table);
    check_name("collection", &target.collection, "sink.milvus.collection")?;
    if let Some(partition) = &target.partition {
        check_name("partition", partition, "sink.milvus.partition")?;
    }
    Ok(target)
}

/// What the mapping says about a collection wins over what is said about all.
fn named_target_of(config: &Config, table: &TableToWrite) -> Target {
    let collection = collection_of(config, table);
    match config.mapping.of(table).and_then(|mapping| mapping.part(&table.part)) {
        Some(part) => Target::at(collection, &part),
        None => Target::of(Some(collection), config.partition.as_deref(), table),
    }
}

/// The collection that a table goes to, whether or not a server takes such a name.
pub(super) fn collection_of<'a>(config: &'a Config, table: &'a TableToWrite) -> &'a str {
    let mapped = config.mapping.of(table).and_then(|mapping| mapping.collection.as_deref());
    mapped.or(config.collection.as_deref()).unwrap_or(&table.collection)
}

/// The names of a table's target that come from the source, and that a Milvus does not take.
pub(super) fn refused_names(config: &Config, table: &TableToWrite) -> Vec<RefusedName> {
    let mapping = config.mapping.of(table);
    let given = mapping.is_some_and(|mapping| mapping.collection.is_some());
    let own = config.collection.is_none() && !given;
    let collection = own.then_some(table.collection.as_str());
    let given = mapping.is_some_and(|mapping| mapping.part(&table.part).is_some());
    let own = config.partition.is_none() && !given;
    let partition = table.part.partition().filter(|_| own);
    let collection =
        collection.and_then(|name| refused(NameOf::Collection, name, "sink.milvus.collection"));
    let partition =
        partition.and_then(|name| refused(NameOf::Partition, name, "sink.milvus.partition"));
    collection.into_iter().chain(partition).collect()
}

/// A target's state on the server.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The collection, if it exists.
    pub collection: Option<Collection>,
    /// Its partitions.
    pub partitions: Vec<String>,
    /// Its indexes.
    pub indexes: Vec<Index>,
}

impl Found {
    pub(super) async fn ask(client: &Client, target: &Target) -> Result<Found> {
        let collection = client.describe_collection(&target.collection).await?;
        let (partitions, indexes) = match &collection {
            Some(found) => {
                (client.partitions(&found.name).await?, client.indexes(&found.name).await?)
            }
            None => (Vec::new(), Vec::new()),
        };
        Ok(Found { collection, partitions, indexes })
    }

    /// The partitions of a target to ask about: the one that it is, or those of the collection.
    pub(super) fn scope(&self, target: &Target) -> Vec<String> {
        match &target.partition {
            Some(partition) => vec![partition.clone()],
            None => self.partitions.clone(),
        }
    }

    /// True when that exists which the mode is about: the collection, or the partition.
    pub(super) fn exists(&self, target: &Target) -> bool {
        self.collection.is_some() && (target.whole || self.has_place_for(target))
    }

    /// True when rows can be in the target, and written to it: its partition exists, too.
    pub(super) fn has_place_for(&self, target: &Target) -> bool {
        self.collection.is_some()
            && target.partition.as_ref().is_none_or(|name| self.partitions.contains(name))
    }

    /// The index on a field.
    pub(super) fn index_on(&self, field: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.definition.field == field)
    }

    /// True when an index is there.
    pub(super) fn has_index(&self, index: &IndexDefinition) -> bool {
        self.indexes.iter().any(|made| index.is(&made.definition))
    }

    /// Partitions that have rows of their own to hide from an upsert.
    pub(super) fn has_other_partitions(&self) -> bool {
        self.partitions.iter().any(|name| name != DEFAULT_PARTITION)
    }
}
