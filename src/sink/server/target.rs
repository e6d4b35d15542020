//! Where tables go on a server.

use std::fmt;

use crate::error::{Error, Result, Retry};
use crate::milvus::DEFAULT_PARTITION;
use crate::sink::{Decision, Mode, TableToWrite};
use crate::table::Part;

/// Where one table goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub collection: String,
    /// The partition that rows go to; none for the collection as a whole, whose new rows go to the
    /// default partition.
    pub partition: Option<String>,
    /// True when the mode is about the collection, although this may be one partition of it.
    pub whole: bool,
}

impl Target {
    /// Where a table goes for which the sink's configuration names these, or leaves it open.
    pub(crate) fn of(
        collection: Option<&str>,
        partition: Option<&str>,
        table: &TableToWrite,
    ) -> Target {
        let part = match partition {
            Some("") => Part::Whole,
            Some(name) => Part::Named(name.to_owned()),
            None => table.part.clone(),
        };
        Target::at(collection.unwrap_or(&table.collection), &part)
    }

    /// A part of a collection.
    pub(crate) fn at(collection: &str, part: &Part) -> Target {
        Target {
            collection: collection.to_owned(),
            partition: part.partition().map(str::to_owned),
            whole: !matches!(part, Part::Named(_)),
        }
    }

    /// True when the mode is about a partition that can't be dropped.
    fn is_default_partition(&self) -> bool {
        !self.whole && self.partition.as_deref() == Some(DEFAULT_PARTITION)
    }

    /// The same in another collection.
    pub(crate) fn within(&self, collection: &str) -> Target {
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

impl Target {
    /// What happens to it: the mode is about the partition where one was named, else about the
    /// collection. `exists` says whether that is there.
    pub(crate) fn decide(&self, mode: Mode, exists: bool) -> Result<Decision> {
        match mode {
            _ if !exists => Ok(Decision::Create),
            Mode::Skip => Ok(Decision::Skip),
            Mode::Append => Ok(Decision::Append),
            Mode::Overwrite if self.is_default_partition() => Err(Error::config(
                "The default partition can't be overwritten: Milvus does not drop it",
            )
            .help("overwrite the collection (leave out the partition), or use a partition of another name")),
            Mode::Overwrite => Ok(Decision::Overwrite),
        }
    }

    /// The error of a target to which something else would happen now than was planned.
    pub(crate) fn changed(&self, planned: Decision, now: Decision) -> Error {
        Error::target(format!(
            "{self} changed since it was looked at: the plan was to {}, now it would be to {}",
            planned.verb(),
            now.verb()
        ))
        .help("something else works on it; run again when it rests")
    }

    /// Adds to an error of sending rows that they may have arrived all the same.
    pub(crate) fn in_doubt(&self, error: Error, rows: usize) -> Error {
        // Not even in smaller requests, whatever the last answer advises.
        error.retry(Retry::Ambiguous).help(format!(
            "{rows} of these rows may be in {self} or not, and sending them again could double them: compare the two, then run again with on_conflict: upsert or skip, or mode: overwrite"
        ))
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

/// Where the tables of a run go.
#[derive(Debug, Default)]
pub(crate) struct Claims(Vec<Target>);

impl Claims {
    /// Notes a target; the sink's configuration is at `key`. Tables that go to one and the same are merged before they get here, but no
    /// target may be a part of another one. True for the first target in its collection.
    pub(crate) fn add(&mut self, target: &Target, decision: Decision, key: &str) -> Result<bool> {
        if let Some(taken) = self.0.iter().find(|taken| taken.replaces_around(target, decision)) {
            let (whole, part) = if taken.whole { (taken, target) } else { (target, taken) };
            return Err(Error::config(format!(
                "One table would replace collection {}, another one {part}, which is in it",
                whole.collection
            ))
            .help("name the partitions of both with the source's settings, or of neither; or move them in two runs"));
        }
        if let Some(taken) = self.0.iter().find(|taken| taken.overlaps(target)) {
            return Err(Error::config(format!("One table would go to {taken}, another to {target}"))
                .help(format!("set {key}.partition: \"\" sends both to the collection as a whole, a name sends both there{}", match key {
                    "sink.milvus" => "; sink.milvus.mapping can name a partition for each (partitions: { _default: name })",
                    _ => "",
                })));
        }
        if !self.0.contains(target) {
            self.0.push(target.clone());
        }
        let mut in_collection = self.0.iter().filter(|c| c.collection == target.collection);
        Ok(in_collection.next() == Some(target))
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
        let mut claims = Claims::default();
        let mut claim = |target: &Target| claims.add(target, Decision::Append, "sink.milvus");
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
        let mut claims = Claims::default();
        let mut claim = |target: &Target, decision| claims.add(target, decision, "sink.milvus");
        claim(&part("p1", true), Decision::Overwrite).unwrap();
        claim(&part("p2", true), Decision::Overwrite).unwrap();
        let error = claim(&part("p3", false), Decision::Overwrite).unwrap_err();
        let words = "would replace collection c, another one collection c, partition p3";
        assert!(error.to_string().contains(words), "{error}");
        claim(&part("p3", false), Decision::Append).unwrap();
    }
}
