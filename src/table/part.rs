//! Which part of a collection a table is.

use serde::{Deserialize, Serialize};

/// Which part of its collection a table is, and with it what a sink's mode is about: a collection
/// that comes whole, or a partition that somebody named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// One partition of a collection that comes with all its partitions.
    OfWhole(String),
    /// A partition that was named, whatever else the collection has.
    Named(String),
}

impl Part {
    /// The partition, when it is one.
    pub fn partition(&self) -> Option<&str> {
        match self {
            Part::Whole => None,
            Part::OfWhole(partition) | Part::Named(partition) => Some(partition),
        }
    }
}
