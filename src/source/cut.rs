//! Cutting files of rows into splits.

use serde::Serialize;

use crate::table::Split;

/// A table is cut into about this many splits, where they don't get too small or too large.
const SPLITS: u64 = 256;
/// Bounds of a split, in bytes of rows.
const SPLIT_BYTES: (u64, u64) = (32 << 20, 1 << 30);

/// Bytes of a split of a table of `table_bytes`.
pub fn split_bytes(table_bytes: u64) -> u64 {
    (table_bytes / SPLITS).clamp(SPLIT_BYTES.0, SPLIT_BYTES.1)
}

/// Cuts a table, file by file. The cuts depend on the rows alone, so that a resumed run and one
/// with more threads see the same splits.
#[derive(Debug)]
pub struct Cutter {
    row_bytes: u64,
    split_bytes: u64,
    next_row: u64,
    /// The splits so far.
    pub splits: Vec<Split>,
}

impl Cutter {
    /// For a table of `table_bytes`, of rows of `row_bytes`.
    pub fn new(row_bytes: u64, table_bytes: u64) -> Cutter {
        let split_bytes = split_bytes(table_bytes);
        Cutter { row_bytes: row_bytes.max(1), split_bytes, next_row: 0, splits: Vec::new() }
    }

    /// Cuts the next file's `rows`, at multiples of `align` rows. `locate` says where the rows
    /// from a row of the file on lie.
    pub fn cut<L: Serialize>(&mut self, rows: u64, align: u64, locate: impl Fn(u64) -> L) {
        let align = align.max(1);
        let most = (self.split_bytes / self.row_bytes).max(align);
        self.cut_at(rows, most - most % align, locate);
    }

    /// Cuts the next file's `rows` into splits of `most` rows.
    pub fn cut_at<L: Serialize>(&mut self, rows: u64, most: u64, locate: impl Fn(u64) -> L) {
        let mut row = 0;
        while row < rows {
            let count = most.max(1).min(rows - row);
            self.splits.push(Split {
                index: u32::try_from(self.splits.len()).unwrap_or(u32::MAX),
                first_row: self.next_row,
                rows: count,
                bytes: count.saturating_mul(self.row_bytes),
                location: Split::locate(&locate(row)),
            });
            row += count;
            self.next_row += count;
        }
    }
}
