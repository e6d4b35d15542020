//! What differs between source and target, row by row.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::flow::Id;

/// Ids that are named.
pub const SAMPLE: usize = 20;

/// How a row of the source, or of the target, differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum What {
    /// The source has it, the target does not.
    Missing,
    /// The target has it, the source does not.
    Extra,
    /// The target holds it more often than the source.
    Doubled {
        /// Rows with this id in the source.
        in_source: u64,
        /// Rows with this id in the target.
        in_target: u64,
    },
    /// Both have it, with other values.
    Changed {
        /// The first difference.
        #[serde(flatten)]
        first: Option<Change>,
    },
}

/// The first difference between two rows of one id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The column.
    pub field: String,
    /// Of a vector: the element, counted from 0; of a binary one, the byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<usize>,
    /// The source's value.
    pub in_source: String,
    /// The target's value.
    pub in_target: String,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Missing => f.write_str("missing: the source has it, the target does not"),
            What::Extra => f.write_str("extra: the target has it, the source does not"),
            What::Doubled { in_source, in_target } => {
                write!(f, "doubled: {in_target} times in the target, {in_source} in the source")
            }
            What::Changed { first: None } => {
                f.write_str("changed: the target's row is none of the source's")
            }
            What::Changed { first: Some(first) } => {
                write!(f, "changed: {}", first.field)?;
                if let Some(element) = first.element {
                    write!(f, "[{element}]")?;
                }
                write!(
                    f,
                    " is {} in the source, {} in the target",
                    first.in_source, first.in_target
                )
            }
        }
    }
}

/// How many rows differ, and some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Ids of the source that the target lacks.
    pub missing: u64,
    /// Ids of the target that the source lacks.
    pub extra: u64,
    /// Ids whose rows have other values.
    pub changed: u64,
    /// Ids that the target holds more often than the source.
    pub doubled: u64,
    /// Rows that the target has too many, and that were not looked at one by one.
    pub not_named: u64,
    /// True when not all rows that differ were looked at: there are more.
    pub at_least: bool,
    /// Some of the ids, the smallest first.
    #[serde(rename = "ids", serialize_with = "as_list")]
    sample: BTreeMap<Id, What>,
}

impl Differences {
    /// Counts a row that differs, and keeps its id if it is one of the smallest.
    pub fn add(&mut self, id: Id, what: What) {
        match what {
            What::Missing => self.missing += 1,
            What::Extra => self.extra += 1,
            What::Doubled { .. } => self.doubled += 1,
            What::Changed { .. } => self.changed += 1,
        }
        self.name(id, what);
    }

    /// True when an id as large as this one would be kept.
    pub fn wants(&self, id: &Id) -> bool {
        self.sample.len() < SAMPLE
            || self.sample.last_key_value().is_some_and(|(last, _)| id < last)
    }

    /// Names a row that is counted already.
    pub fn name(&mut self, id: Id, what: What) {
        if self.wants(&id) {
            self.sample.insert(id, what);
        }
        if self.sample.len() > SAMPLE {
            self.sample.pop_last();
        }
    }

    /// Adds those that another worker found.
    pub fn merge(&mut self, other: Differences) {
        self.missing += other.missing;
        self.extra += other.extra;
        self.changed += other.changed;
        self.doubled += other.doubled;
        self.not_named += other.not_named;
        self.at_least |= other.at_least;
        other.sample.into_iter().for_each(|(id, what)| self.name(id, what));
    }

    /// True when nothing differs.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Rows, or ids, that differ.
    pub fn total(&self) -> u64 {
        self.missing + self.extra + self.changed + self.doubled + self.not_named
    }

    /// Some ids and how their rows differ, the smallest first.
    pub fn sample(&self) -> impl ExactSizeIterator<Item = (&Id, &What)> {
        self.sample.iter()
    }
}

/// `2 rows are missing, 1 has other values`.
impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |n, one: &str, many: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{} {many}", crate::words::count(n))),
        };
        let all = [
            words(self.missing, "row is missing", "rows are missing"),
            words(self.extra, "row is extra", "rows are extra"),
            words(self.changed, "row is changed", "rows are changed"),
            words(self.doubled, "id is doubled", "ids are doubled"),
            words(self.not_named, "row is there too often", "rows are there too often"),
        ];
        if self.at_least {
            f.write_str("at least ")?;
        }
        f.write_str(&all.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// One of the ids, for programs.
#[derive(Serialize)]
struct Named<'a> {
    id: &'a Id,
    #[serde(flatten)]
    what: &'a What,
}

fn as_list<S: Serializer>(sample: &BTreeMap<Id, What>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(sample.iter().map(|(id, what)| Named { id, what }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_ids_are_kept_whatever_the_order() {
        let mut forth = Differences::default();
        let mut back = Differences::default();
        let (mut one, mut two) = (Differences::default(), Differences::default());
        for id in 0..100 {
            forth.add(Id::Int(id), What::Missing);
            back.add(Id::Int(99 - id), What::Missing);
            if id % 3 == 0 { &mut one } else { &mut two }.add(Id::Int(id), What::Missing);
        }
        two.merge(one);
        assert_eq!(forth, back);
        assert_eq!(forth, two);
        assert_eq!((forth.missing, forth.sample().len()), (100, SAMPLE));
        assert_eq!(forth.to_string(), "100 rows are missing");
    }

    #[test]
    fn a_difference_is_told_to_people_and_programs() {
        let mut all = Differences::default();
        let first = Change {
            field: "v".to_owned(),
            element: Some(3),
            in_source: "0.5".to_owned(),
            in_target: "0.25".to_owned(),
        };
        let changed = What::Changed { first: Some(first) };
        assert_eq!(changed.to_string(), "changed: v[3] is 0.5 in the source, 0.25 in the target");
        all.add(Id::Text("a\"".to_owned()), changed);
        all.add(Id::Int(7), What::Doubled { in_source: 1, in_target: 2 });
        assert_eq!(
            serde_json::to_value(&all).unwrap()["ids"],
            serde_json::json!([
                { "id": 7, "what": "doubled", "in_source": 1, "in_target": 2 },
                { "id": "a\"", "what": "changed", "field": "v", "element": 3,
                  "in_source": "0.5", "in_target": "0.25" },
            ])
        );
    }
}
