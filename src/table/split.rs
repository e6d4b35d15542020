//! A part of a table that can be read alone, and again with the same rows in the same order.

use std::fmt;
use std::sync::Arc;

use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::table::Misfits;

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

/// Where a batch comes from: its table, its split and its rows within the split.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The table's name.
    pub table: Arc<str>,
    /// [`Split::index`].
    pub split: u32,
    /// First row that was read for the batch, counted from the start of the split.
    pub first_row: u64,
    /// Rows before the first one, in source order, over all splits of all tables that go to the
    /// same target, without those that a transform left out. (A source counts its table alone.)
    pub position: u64,
    /// Rows of the split that are missing here, because a transform left them out.
    pub left_out: Option<Arc<RoaringTreemap>>,
    /// Rows of the split that are here, but not as they are in the source, because a column can't
    /// hold one of their values. The engine takes them out behind the transforms.
    pub misfits: Option<Arc<Misfits>>,
}

impl Place {
    /// The place of row `first_row` of `split`.
    pub fn of(table: &str, split: &Split, first_row: u64) -> Self {
        let position = split.first_row + first_row;
        Place { position, ..Place::new(table, split.index, first_row) }
    }

    /// The place of row `first_row` of the split with this index, all rows of which are there.
    pub fn new(table: &str, split: u32, first_row: u64) -> Self {
        Place {
            table: table.into(),
            split,
            first_row,
            position: first_row,
            left_out: None,
            misfits: None,
        }
    }

    /// Moves on by `rows`.
    pub fn advance(&mut self, rows: u64) {
        self.first_row += rows;
        self.position += rows;
    }

    /// Where the batch's row `n` (from 0) stands in its split.
    pub fn row(&self, n: u64) -> u64 {
        if self.left_out.is_none() {
            return self.first_row + n;
        }
        self.rows().nth(usize::try_from(n).unwrap_or(usize::MAX)).unwrap_or(u64::MAX)
    }

    /// Where the batch's rows stand in their split, one after the other, and on without end.
    pub fn rows(&self) -> impl Iterator<Item = u64> {
        let is_there = |row: &u64| self.left_out.as_ref().is_none_or(|out| !out.contains(*row));
        (self.first_row..).filter(is_there)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}, split {}, from row {}", self.table, self.split, self.first_row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_named_as_the_source_counts_them() {
        let mut place = Place::new("t", 0, 10);
        assert_eq!(place.row(2), 12);
        place.left_out = Some(Arc::new([3, 10, 12, 13].into_iter().collect()));
        assert_eq!([0, 1, 2].map(|n| place.row(n)), [11, 14, 15]);
    }
}
