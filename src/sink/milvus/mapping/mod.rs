//! What becomes of the source's collections one by one: other names, fields that are left out, and
//! fields with the same value in every row.
//!
//! | module | holds |
//! |---|---|
//! | `constant` | the value of such a field, and the type that it gets |
//! | `check` | all that is wrong with a mapping, told at once |
//! | `rows` | the transforms that carry it out |

mod check;
mod constant;
mod rows;

use std::collections::BTreeMap;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use constant::Constant;
pub(super) use rows::{Goal, There};

use crate::milvus::DEFAULT_PARTITION;
use crate::sink::TableToWrite;
use crate::table::Part;

/// By the name of a collection as the source gives it, or by `database/collection` where it reads
/// several databases.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Mapping(BTreeMap<String, CollectionMapping>);

/// What becomes of one collection of the source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CollectionMapping {
    /// Collection that its rows go to. Those of several go into one where it is the same.
    pub collection: Option<String>,
    /// Database of that, which is made if it is missing.
    pub database: Option<String>,
    /// Other names of partitions, the default one being `_default`.
    pub partitions: BTreeMap<String, String>,
    /// Other names of fields.
    pub fields: BTreeMap<String, String>,
    /// Fields that do not move.
    pub leave_out: Vec<String>,
    /// Further fields, which have the same value in every row: true or false, a number, a text. Their
    /// type is that of the target's field where that exists, else Bool, Int64, Double or VarChar.
    pub constants: BTreeMap<String, Constant>,
}

impl Mapping {
    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is said about the collection of a table.
    pub(super) fn of(&self, table: &TableToWrite) -> Option<&CollectionMapping> {
        let within = table.database.as_ref().map(|name| format!("{name}/{}", table.collection));
        within.and_then(|key| self.0.get(&key)).or_else(|| self.0.get(&table.collection))
    }

    /// Where it sends rows, in a form that stays the same between two runs; nothing where it is
    /// empty.
    pub(super) fn place(&self) -> String {
        let mut place = String::new();
        for (key, CollectionMapping { database, collection, partitions, .. }) in &self.0 {
            // Writing to a text does not fail.
            let _ = write!(place, " {key:?} {database:?} {collection:?} {partitions:?}");
        }
        place
    }
}

impl CollectionMapping {
    /// The part of the target that a part of the collection becomes, if it gets another name.
    pub(super) fn part(&self, part: &Part) -> Option<Part> {
        let name = self.partitions.get(partition_of(part))?.clone();
        Some(match part {
            Part::Whole | Part::OfWhole(_) => Part::OfWhole(name),
            Part::Named(_) => Part::Named(name),
        })
    }

    /// True when a field gets this name here.
    pub(super) fn names(&self, field: &str) -> bool {
        self.fields.values().any(|name| name == field)
    }
}

/// The partition that a part of a collection is.
fn partition_of(part: &Part) -> &str {
    part.partition().unwrap_or(DEFAULT_PARTITION)
}
