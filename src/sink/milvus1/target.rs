//! The collection or partition that a table goes to, and its state on the server.

use super::config::Config;
use crate::error::{Error, Result};
use crate::milvus::names::MAX_NAME;
use crate::milvus::v1::Client;
use crate::milvus::v1::collection::Collection;
use crate::sink::server::{Target, check_name, refused};
use crate::sink::{NameOf, RefusedName, TableToWrite};

/// Where a table goes.
pub(super) fn target_of(config: &Config, table: &TableToWrite) -> Result<Target> {
    if let Some(database) = table.database.as_deref().filter(|name| *name != "default") {
        return Err(Error::config(format!(
            "{} is of the database {database}, and a Milvus 1.x has no databases",
            table.name
        ))
        .help("read one database only, by source.milvus.database"));
    }
    let target = Target::of(config.collection.as_deref(), config.partition.as_deref(), table);
    check_name("collection", &target.collection, "sink.milvus1.collection")?;
    target.partition.as_deref().map_or(Ok(()), check_tag)?;
    Ok(target)
}

/// The name of a table's collection, where it comes from the source and a Milvus does not take it.
/// (A partition has a tag, which is any text.)
pub(super) fn refused_name(config: &Config, table: &TableToWrite) -> Option<RefusedName> {
    match config.collection {
        None => refused(NameOf::Collection, &table.collection, "sink.milvus1.collection"),
        Some(_) => None,
    }
}

/// A tag is any text, but the server trims it.
fn check_tag(tag: &str) -> Result<()> {
    if tag.trim() == tag && tag.len() <= MAX_NAME {
        return Ok(());
    }
    Err(Error::config(format!("`{tag}` can't be the tag of a Milvus partition")).help(format!(
        "give another one with sink.milvus1.partition: no blanks at its ends, at most {MAX_NAME} bytes"
    )))
}

/// A target's state on the server.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The collection, if it exists.
    pub collection: Option<Collection>,
    /// Tags of its partitions.
    pub partitions: Vec<String>,
}

impl Found {
    pub(super) async fn ask(client: &Client, target: &Target) -> Result<Found> {
        let collection = client.describe_collection(&target.collection).await?;
        let partitions = match &collection {
            Some(found) => client.partitions(&found.name).await?,
            None => Vec::new(),
        };
        Ok(Found { collection, partitions })
    }

    /// True when that exists which the mode is about: the collection, or the partition.
    pub(super) fn exists(&self, target: &Target) -> bool {
        self.collection.is_some() && (target.whole || self.has_place_for(target))
    }

    /// True when rows can be in the target: its partition exists, too.
    pub(super) fn has_place_for(&self, target: &Target) -> bool {
        self.collection.is_some()
            && target.partition.as_ref().is_none_or(|tag| self.partitions.contains(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_any_text_that_the_server_does_not_trim() {
        for tag in ["a b", "ä-1", "2020/01"] {
            assert!(check_tag(tag).is_ok(), "{tag}");
        }
        for tag in [" a", "a ", &"ä".repeat(128)] {
            assert!(check_tag(tag).is_err(), "{tag}");
        }
    }
}
