//! The collection or partition that a table goes to, and its state on the server.

use std::fmt;

use super::config::Config;
use crate::error::{Error, Result};
use crate::milvus::v1::Client;
use crate::milvus::v1::collection::{Collection, DEFAULT_PARTITION};
use crate::sink::{Decision, Mode, TableToWrite};

/// Longest name of a collection or tag of a partition, in bytes.
const MAX_NAME: usize = 255;

/// Where one table goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub collection: String,
    /// The partition that is named; none for the collection as a whole, whose new rows go to the
    /// default partition.
    pub partition: Option<String>,
}

impl Target {
    pub(super) fn of(config: &Config, table: &TableToWrite) -> Result<Target> {
        let target = Target {
            collection: config.collection.clone().unwrap_or_else(|| table.collection.clone()),
            partition: config
                .partition
                .clone()
                .or_else(|| table.part.partition().map(str::to_owned))
                .filter(|tag| !tag.is_empty()),
        };
        check_collection(&target.collection)?;
        target.partition.as_deref().map_or(Ok(()), check_tag)?;
        Ok(target)
    }

    /// The partition as requests name it.
    pub(super) fn tag(&self) -> Option<&str> {
        self.partition.as_deref()
    }

    /// True when one of them is a partition of the other.
    pub(super) fn overlaps(&self, other: &Target) -> bool {
        self.collection == other.collection && self.partition.is_none() != other.partition.is_none()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "collection {}", self.collection)?;
        match &self.partition {
            Some(partition) => write!(f, ", partition {partition}"),
            None => Ok(()),
        }
    }
}

fn check_collection(name: &str) -> Result<()> {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') && name.len() <= MAX_NAME {
        return Ok(());
    }
    Err(Error::config(format!("`{name}` can't be the name of a Milvus collection")).help(format!(
        "give another name with sink.milvus1.collection: letters, digits and underscores, not beginning with a digit, at most {MAX_NAME} characters"
    )))
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

    /// True when the partition that the target names (or the collection, if it names none) exists.
    pub(super) fn exists(&self, target: &Target) -> bool {
        self.collection.is_some()
            && target.partition.as_ref().is_none_or(|tag| self.partitions.contains(tag))
    }
}

/// What happens to a target: the mode applies to the partition where one is named, else to the
/// collection.
pub(super) fn decide(mode: Mode, target: &Target, found: &Found) -> Result<Decision> {
    if !found.exists(target) {
        return Ok(Decision::Create);
    }
    match mode {
        Mode::Skip => Ok(Decision::Skip),
        Mode::Append => Ok(Decision::Append),
        Mode::Overwrite if target.tag() == Some(DEFAULT_PARTITION) => Err(Error::config(
            "The default partition can't be overwritten: Milvus does not drop it",
        )
        .help("overwrite the collection (leave out the partition), or use a partition of another name")),
        Mode::Overwrite => Ok(Decision::Overwrite),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_a_server_takes() {
        for name in ["a", "_a1", "Test_2"] {
            assert!(check_collection(name).is_ok(), "{name}");
        }
        for name in ["", "1a", "a-b", "ä", "a b", &"a".repeat(256)] {
            assert!(check_collection(name).is_err(), "{name}");
        }
        for tag in ["a b", "ä-1", "2020/01"] {
            assert!(check_tag(tag).is_ok(), "{tag}");
        }
        for tag in [" a", "a ", &"ä".repeat(128)] {
            assert!(check_tag(tag).is_err(), "{tag}");
        }
    }
}
