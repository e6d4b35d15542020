//! What the survey found, and how the user is told.

use std::fmt;

use arrow::datatypes::Int64Type;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::words;

/// Ids that an error names.
pub(super) const SAMPLE: usize = 5;

/// An id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Id {
    /// An integer.
    Int(i64),
    /// A text.
    Text(String),
}

impl Id {
    /// The id in a row of an id column.
    ///
    /// # Errors
    /// When the column is neither Int64 nor Utf8.
    pub fn at(ids: &ArrayRef, row: usize) -> Result<Id> {
        if let Some(ids) = ids.as_primitive_opt::<Int64Type>() {
            return Ok(Id::Int(ids.value(row)));
        }
        match ids.as_string_opt::<i32>() {
            Some(ids) => Ok(Id::Text(ids.value(row).to_owned())),
            None => Err(Error::internal(format!("Ids of type {} were read", ids.data_type()))),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Int(id) => id.fmt(f),
            Id::Text(id) => fmt::Debug::fmt(id, f),
        }
    }
}

/// How many ids, and a few of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    /// Different ids.
    pub count: u64,
    /// A few, in ascending order: of integers the smallest.
    pub sample: Vec<Id>,
}

/// Why ids must not occur twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surplus {
    /// The sink refuses them.
    Refused,
    /// Rows of several tables would be taken for each other.
    Merged,
    /// New ids were made by a hash.
    Hashed,
}

/// What was found about the ids of one target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdFindings {
    /// Rows whose ids were looked at; 0 when nobody minds.
    pub rows: u64,
    /// Ids that occur more than once, as they leave the transforms.
    pub duplicates: Ids,
    /// Why that matters, where there are some.
    pub surplus: Option<Surplus>,
    /// Rows beyond the first of their id.
    pub surplus_rows: u64,
    /// Ids that the target holds already.
    pub existing: Ids,
}

impl IdFindings {
    /// The error that keeps `table` from being moved; none when nothing was found.
    pub fn into_error(self, table: &str) -> Option<Error> {
        let mut what = Vec::new();
        let mut help = Vec::new();
        let duplicates = self.duplicates.count > 0;
        if duplicates {
            what.push(format!(
                "{} more than once {}, in {} too many: {}",
                counted(self.duplicates.count, "id occurs", "ids occur"),
                match self.surplus {
                    Some(Surplus::Merged) => "in the tables that are merged",
                    Some(Surplus::Hashed) => "among the new ids",
                    _ => "in the source",
                },
                counted(self.surplus_rows, "row", "rows"),
                self.duplicates
            ));
            help.push(match self.surplus {
                Some(Surplus::Merged) => {
                    "add the transform `dedupe` to keep one row of each id, or `remap: { strategy: sequential }` to give every row an id of its own"
                }
                Some(Surplus::Hashed) => {
                    "put the transform `dedupe` before `remap` if rows of the source share an id; else two ids have one hash, and `strategy: sequential` gives every row an id of its own"
                }
                _ => {
                    "add the transform `dedupe` to keep one row of each id, or `remap: { strategy: sequential }` to give every row an id of its own; or set `on_duplicate_id: allow` in the sink to send every row as it is"
                }
            });
        }
        if self.existing.count > 0 {
            what.push(format!(
                "{} in the target already: {}",
                counted(self.existing.count, "id is", "ids are"),
                self.existing
            ));
            help.push(
                "set `on_conflict` in the sink: `skip` keeps the target's rows, `upsert` replaces them, `insert` adds the new rows beside them",
            );
        }
        if what.is_empty() {
            return None;
        }
        let what = what.join("; ");
        let error = if duplicates { Error::source(what) } else { Error::target(what) };
        Some(error.at(format!("table {table}")).help(help.join("; ")))
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", words::count(count), if count == 1 { one } else { many })
}

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, id) in self.sample.iter().enumerate() {
            write!(f, "{}{id}", if n > 0 { ", " } else { "" })?;
        }
        if self.count > self.sample.len() as u64 { f.write_str(", …") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_counts_names_and_helps() {
        assert!(IdFindings::default().into_error("t").is_none());
        let findings = IdFindings {
            rows: 20,
            duplicates: Ids { count: 9_000, sample: (0..5).map(Id::Int).collect() },
            surplus: Some(Surplus::Refused),
            surplus_rows: 12,
            existing: Ids { count: 1, sample: vec![Id::Text("a\nb".to_owned())] },
        };
        let error = findings.into_error("test").unwrap();
        assert_eq!(error.exit_code(), 1);
        assert_eq!(
            error.to_string(),
            "9,000 ids occur more than once in the source, in 12 rows too many: 0, 1, 2, 3, 4, …; 1 id is in the target already: \"a\\nb\"
  where: table test
  help: add the transform `dedupe` to keep one row of each id, or `remap: { strategy: sequential }` to give every row an id of its own; or set `on_duplicate_id: allow` in the sink to send every row as it is; set `on_conflict` in the sink: `skip` keeps the target's rows, `upsert` replaces them, `insert` adds the new rows beside them"
        );
    }
}
