//! The collections that are read.

use super::config::Config;
use crate::error::{Error, Result};
use crate::milvus::names::is_mark;
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::definition::IndexDefinition;
use crate::milvus::v2::index::Index;
use crate::milvus::{DEFAULT_PARTITION, MilvusError};
use crate::source::choice::{Chosen, Offer};

/// Name of indexes that are made for the time of a run.
pub(super) const TEMPORARY_INDEX: &str = "vecpipe_read";

/// A collection, as far as it is read.
pub(super) struct Wanted {
    pub collection: Collection,
    /// All its partitions.
    pub partitions: Vec<String>,
    pub indexes: Vec<Index>,
    pub aliases: Vec<String>,
    /// What is read of it; one entry where it is divided by a partition key.
    pub chosen: Vec<Chosen>,
}

impl Wanted {
    /// Its indexes, without those that are made only to read it.
    pub fn own_indexes(&self) -> impl Iterator<Item = &IndexDefinition> {
        let all = self.indexes.iter().map(|index| &index.definition);
        all.filter(|index| index.name != TEMPORARY_INDEX)
    }

    /// True when the server divides rows by a field's value: its partitions are nobody's concern.
    pub fn has_partition_key(&self) -> bool {
        self.collection.has_partition_key()
    }

    /// The partition that a chosen table is read from; none where the collection is read as a whole.
    pub fn partition(&self, chosen: &Chosen) -> Option<&str> {
        let partition = self.partitions.get(chosen.partition).map(String::as_str);
        partition.filter(|_| !self.has_partition_key())
    }

    /// The partitions that are read.
    pub fn names(&self) -> Vec<String> {
        match self.has_partition_key() {
            true => self.partitions.clone(),
            false => self.chosen.iter().map(|c| self.partitions[c.partition].clone()).collect(),
        }
    }
}

/// Asks the server for what the configuration wants.
pub(super) async fn wanted(config: &Config, client: &Client) -> Result<Vec<Wanted>> {
    let mut offers = Vec::new();
    let mut described = Vec::new();
    // A run that writes into the server may have marked its targets.
    for name in client.collections().await?.into_iter().filter(|name| !is_mark(name)) {
        if config.collections.as_ref().is_some_and(|wanted| !wanted.contains_key(&name)) {
            // A name is enough for what is not wanted, to tell the nearest one.
            offers.push(Offer { collection: name, partitions: Vec::new() });
            described.push(None);
            continue;
        }
        // It may have been dropped meanwhile.
        let Some(collection) = client.describe_collection(&name).await? else { continue };
        let partitions = client.partitions(&name).await;
        let Some(mut partitions) = unless_dropped(client, &name, partitions).await? else {
            continue;
        };
        partitions.sort_by_key(|partition| (partition != DEFAULT_PARTITION, partition.clone()));
        let keyed = collection.has_partition_key();
        if keyed {
            check_whole(config, &name)?;
        }
        let offered = if keyed { vec![DEFAULT_PARTITION.to_owned()] } else { partitions.clone() };
        offers.push(Offer { collection: name, partitions: offered });
        described.push(Some((collection, partitions)));
    }
    let mut all = Vec::new();
    let chosen = config.choice().among(&offers)?;
    for (number, described) in described.into_iter().enumerate() {
        let Some((collection, partitions)) = described else { continue };
        let chosen: Vec<_> = chosen.iter().filter(|c| c.offer == number).cloned().collect();
        if chosen.is_empty() {
            continue;
        }
        let name = &collection.name;
        let indexes = client.indexes(name).await;
        let Some(indexes) = unless_dropped(client, name, indexes).await? else { continue };
        let aliases = client.aliases(name).await;
        let Some(aliases) = unless_dropped(client, name, aliases).await? else { continue };
        all.push(Wanted { collection, partitions, indexes, aliases, chosen });
    }
    Ok(all)
}

/// What was asked about a collection; nothing where it was dropped since it was listed.
async fn unless_dropped<T>(
    client: &Client,
    collection: &str,
    answer: Result<T, MilvusError>,
) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_missing() => match client.describe_collection(collection).await? {
            None => Ok(None),
            Some(_) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Partitions of a collection with a partition key are the server's, and are not chosen or renamed.
fn check_whole(config: &Config, name: &str) -> Result<()> {
    let named = config.collections.as_ref().and_then(|all| all.get(name)?.as_ref());
    let at = if named.is_some_and(|partitions| !partitions.is_empty()) {
        "source.milvus.collections"
    } else if config
        .rename
        .keys()
        .any(|key| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')))
    {
        "source.milvus.rename"
    } else {
        return Ok(());
    };
    Err(Error::config(format!(
        "Collection {name} is divided by a partition key: Milvus chooses the partitions of its rows, here and at the target"
    ))
    .at(at)
    .help(format!("name the collection alone: `{name}`")))
}

/// The error of a source without collections.
pub(super) fn nothing_to_read(client: &Client) -> Error {
    let place = match client.database() {
        None => client.endpoint().to_owned(),
        Some(database) => format!("{}, database {database}", client.endpoint()),
    };
    Error::source("There are no collections to read")
        .at(place)
        .help("name the database by source.milvus.database")
}
