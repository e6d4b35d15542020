//! What a comparison of a target with its source came to.

use serde::Serialize;

use super::differences::Differences;
use crate::table::Checksum;

/// How a target compares with the tables of the source that went there.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// What it came to.
    pub verdict: Verdict,
    /// Rows of the source as they leave the transforms.
    pub rows_in_source: Option<u64>,
    /// Rows of the target: all of them where it is all ours, else those that have ids of the source.
    pub rows_in_target: Option<u64>,
    /// Rows that the target holds besides, and that were there before or came otherwise.
    pub other_rows: Option<u64>,
    /// The checksum over the source's rows as they leave the transforms.
    pub checksum_of_source: Option<Checksum>,
    /// The checksum over these rows; none where not all of them can be read.
    pub checksum_of_target: Option<Checksum>,
    /// Rows that differ.
    pub differences: Differences,
    /// What was compared, where that is less than every row and bit.
    pub notes: Vec<String>,
}

/// What a comparison came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Both hold the same rows.
    Same,
    /// They do not.
    Differ,
    /// There is no target.
    NoTarget,
    /// The target gives no rows back.
    NothingToCompare,
}

impl Comparison {
    /// One that could not be made.
    pub(super) fn none(verdict: Verdict, notes: Vec<String>) -> Comparison {
        Comparison {
            verdict,
            rows_in_source: None,
            rows_in_target: None,
            other_rows: None,
            checksum_of_source: None,
            checksum_of_target: None,
            differences: Differences::default(),
            notes,
        }
    }

    /// False when source and target differ.
    pub fn is_well(&self) -> bool {
        !matches!(self.verdict, Verdict::Differ | Verdict::NoTarget)
    }
}
