//! The collection or partition that a table goes to, and its state on the server.

use std::fmt;

use super::State;
use super::config::Config;
use super::names::check_name;
use crate::error::{Error, Result};
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::index::Index;
use crate::milvus::v2::partition::DEFAULT_PARTITION;
use crate::sink::{Decision, TableToWrite};
use crate::table::Part;

/// Where one table goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub collection: String,
    /// The partition that rows go to; none for the collection as a whole, whose new rows go to the
    /// default partition.
    pub partition: Option<String>,
    /// True when the mode is about the collection, although this may be one partition of it.
    pub whole: bool,
}

impl Target {
    pub(super) fn of(config: &Config, table: &TableToWrite) -> Result<Target> {
        let part = match config.partition.as_deref() {
            Some("") => Part::Whole,
            Some(name) => Part::Named(name.to_owned()),
            None => table.part.clone(),
        };
        let target = Target {
            collection: config.collection.clone().unwrap_or_else(|| table.collection.clone()),
            partition: part.partition().map(str::to_owned),
            whole: !matches!(part, Part::Named(_)),
        };
        check_name("collection", &target.collection, "sink.milvus.collection")?;
        if let Some(partition) = &target.partition {
            check_name("partition", partition, "sink.milvus.partition")?;
        }
        Ok(target)
    }

    /// The partitions to ask about: the one that is named, or those of the collection.
    pub(super) fn scope(&self, found: &Found) -> Vec<String> {
        match &self.partition {
            Some(partition) => vec![partition.clone()],
            None => found.partitions.clone(),
        }
    }

    /// The same in another collection.
    pub(super) fn within(&self, collection: &str) -> Target {
        Target { collection: collection.to_owned(), ..self.clone() }
    }

    /// True when one of them is a partition of the other.
    fn overlaps(&self, other: &Target) -> bool {
        self.collection == other.collection && self.partition.is_none() != other.partition.is_none()
    }

    /// True when one of them replaces the collection that the other one is a part of.
    fn replaces_around(&self, other: &Target, decision: Decision) -> bool {
        decision == Decision::Overwrite
            && self.collection == other.collection
            && self.whole != other.whole
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

impl State {
    /// Notes a target. Tables that go to one and the same are merged before they get here, but no
    /// target may be a part of another one. True for the first target in its collection.
    pub(super) fn claim(&mut self, target: &Target, decision: Decision) -> Result<bool> {
        if let Some(taken) =
            self.claims.iter().find(|taken| taken.replaces_around(target, decision))
        {
            let (whole, part) = if taken.whole { (taken, target) } else { (target, taken) };
            return Err(Error::config(format!(
                "One table would replace collection {}, another one {part}, which is in it",
                whole.collection
            ))
            .help("name the partitions of both with the source's settings, or of neither; or move them in two runs"));
        }
        if let Some(taken) = self.claims.iter().find(|taken| taken.overlaps(target)) {
            return Err(Error::config(format!("One table would go to {taken}, another to {target}"))
                .help("set sink.milvus.partition: \"\" sends both to the collection as a whole, a name sends both there"));
        }
        if !self.claims.contains(target) {
            self.claims.push(target.clone());
        }
        let mut in_collection = self.claims.iter().filter(|c| c.collection == target.collection);
        Ok(in_collection.next() == Some(target))
    }
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
        self.indexes.iter().find(|index| index.field == field)
    }

    /// Partitions that have rows of their own to hide from an upsert.
    pub(super) fn has_other_partitions(&self) -> bool {
        self.partitions.iter().any(|name| name != DEFAULT_PARTITION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_target_is_a_part_of_another() {
        let target = |partition: Option<&str>| Target {
            collection: "c".to_owned(),
            partition: partition.map(str::to_owned),
            whole: partition.is_none(),
        };
        let mut state = State::default();
        let mut claim = |target: &Target| state.claim(target, Decision::Append);
        claim(&target(Some("p1"))).unwrap();
        claim(&target(Some("p1"))).unwrap();
        claim(&target(Some("p2"))).unwrap();
        let error = claim(&target(None)).unwrap_err();
        assert!(error.to_string().contains("go to collection c, partition p1"), "{error}");
        claim(&Target { collection: "d".to_owned(), ..target(None) }).unwrap();
    }

    #[test]
    fn a_partition_is_not_filled_where_the_collection_is_replaced() {
        let part = |name: &str, whole| Target {
            collection: "c".to_owned(),
            partition: Some(name.to_owned()),
            whole,
        };
        let mut state = State::default();
        state.claim(&part("p1", true), Decision::Overwrite).unwrap();
        state.claim(&part("p2", true), Decision::Overwrite).unwrap();
        let error = state.claim(&part("p3", false), Decision::Overwrite).unwrap_err();
        let words = "would replace collection c, another one collection c, partition p3";
        assert!(error.to_string().contains(words), "{error}");
        state.claim(&part("p3", false), Decision::Append).unwrap();
    }
}
