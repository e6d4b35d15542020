//! A part of a table that can be read alone, and again with the same rows in the same order.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One part of a table. Small, serialisable and complete in itself: written to the journal, it
/// says all that is needed to read the same rows in the same order again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Number of this split within its table, counted from 0 in source order.
    pub index: u32,
    /// Position of the split's first row within the table, in source order.
    pub first_row: u64,
    /// Rows in the split.
    pub rows: u64,
    /// Roughly how many bytes reading it moves; for progress and estimates only.
    pub bytes: u64,
    /// Where the rows lie, in the words of the source that made the split.
    pub location: serde_json::Value,
}

impl Split {
    /// Reads [`location`](Self::location) back as the source's own type.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) when another version or source wrote it.
    pub fn location<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.location).map_err(|error| {
            Error::internal(format!("Split {} was not made by this source", self.index))
                .because(error)
        })
    }

    /// Turns a source's own location into the serialisable form.
    pub fn locate(location: &impl Serialize) -> serde_json::Value {
        // Locations are plain structs of numbers and strings, which always serialise.
        serde_json::to_value(location).unwrap_or_default()
    }
}

/// Where a batch comes from: its table, its split and its first row within the split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The table's name.
    pub table: Arc<str>,
    /// [`Split::index`].
    pub split: u32,
    /// First row of the batch, counted from the start of the split.
    pub first_row: u64,
}

impl Place {
    /// The place of row `first_row` of `split`.
    pub fn of(table: &str, split: &Split, first_row: u64) -> Self {
        Place { table: table.into(), split: split.index, first_row }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}, split {}, from row {}", self.table, self.split, self.first_row)
    }
}
