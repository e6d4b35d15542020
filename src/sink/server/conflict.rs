//! Ids that occur twice, or that the target holds already.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What happens to a row whose id the target holds already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// Nothing is written; the error counts such ids and names a few.
    #[default]
    Fail,
    /// The row is inserted without a look: the target may then hold the id twice.
    Insert,
    /// The row takes the place of the target's.
    Upsert,
    /// The target's row stays.
    Skip,
}

/// What happens when an id occurs more than once in the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDuplicateId {
    /// Nothing is written; the error counts such ids and names a few.
    #[default]
    Fail,
    /// All rows are sent; what the server makes of them is its affair.
    Allow,
}

impl OnConflict {
    /// Two settings that contradict each other.
    pub(crate) fn check_with(self, duplicates: OnDuplicateId) -> Result<()> {
        if duplicates == OnDuplicateId::Allow
            && matches!(self, OnConflict::Upsert | OnConflict::Skip)
        {
            // Writers run at the same time: chance would decide.
            return Err(Error::config(
                "With on_duplicate_id: allow and this on_conflict it would be left to chance which row of an id stays",
            )
            .help("make the ids unique at the source, or choose on_conflict: fail or insert"));
        }
        Ok(())
    }
}

/// What is done about rows whose ids are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clash {
    /// There are none, or nobody looks.
    None,
    /// They are left out.
    Skip,
    /// They take the place of those that are there.
    Replace,
}
