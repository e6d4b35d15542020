//! Cutting files of rows into splits.

use serde::Serialize;

use crate::flow::BATCH_BYTES;
use crate::table::Split;

/// A table is cut into about this many splits, where they don't get too small or too large.
const SPLITS: u64 = 256;
/// Bounds of a split, in bytes of rows.
const SPLIT_BYTES: (u64, u64) = (32 << 20, 1 << 30);

/// Bytes of a split of a table of `table_bytes`.
pub fn split_bytes(table_bytes: u64) -> u64 {
    (table_bytes / SPLITS).clamp(SPLIT_BYTES.0, SPLIT_BYTES.1)
}

/// Rows of a split of a table of `table_bytes`, of rows of `row_bytes`: as many as some small batches
/// have, so that no split ends in one of a few rows.
pub fn split_rows(row_bytes: u64, table_bytes: u64) -> u64 {
    let row_bytes = row_bytes.max(1);
    whole(split_bytes(table_bytes) / row_bytes, BATCH_BYTES / row_bytes)
}

/// The largest multiple of `unit` that is not larger than `rows`, but at least one of it.
fn whole(rows: u64, unit: u64) -> u64 {
    let unit = unit.max(1);
    rows.max(unit) / unit * unit
}

/// Cuts a table, file by file. The cuts depend on the rows alone, so that a resumed run and one
/// with more threads see the same splits.
#[derive(Debug)]
pub struct Cutter {
    row_bytes: u64,
    split_rows: u64,
    next_row: u64,
    /// The splits so far.
    pub splits: Vec<Split>,
}

impl Cutter {
    /// For a table of `table_bytes`, of rows of `row_bytes`.
    pub fn new(row_bytes: u64, table_bytes: u64) -> Cutter {
        let split_rows = split_rows(row_bytes, table_bytes);
        Cutter { row_bytes: row_bytes.max(1), split_rows, next_row: 0, splits: Vec::new() }
    }

    /// Cuts the next file's `rows`, at multiples of `align` rows. `locate` says where the rows
    /// from a row of the file on lie.
    pub fn cut<L: Serialize>(&mut self, rows: u64, align: u64, locate: impl Fn(u64) -> L) {
        self.cut_at(rows, whole(self.split_rows, align), locate);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_split_ends_in_a_batch_of_a_few_rows() {
        for (row_bytes, table_bytes) in [(520, 1 << 32), (136, 1 << 30), (3080, 1 << 40), (16, 1)] {
            let batch = BATCH_BYTES / row_bytes;
            let rows = split_rows(row_bytes, table_bytes);
            assert_eq!(rows % batch, 0, "{row_bytes}");
            assert!(rows + batch > split_bytes(table_bytes) / row_bytes, "{row_bytes}");
        }
        assert_eq!(split_rows(u64::MAX, 1), 1);
        assert_eq!(split_rows(0, 1), SPLIT_BYTES.0);
    }

    #[test]
    fn a_split_holds_whole_bands() {
        let mut cutter = Cutter::new(520, 1 << 32);
        cutter.cut(1_000_000, 1_000, |row| row);
        assert!(cutter.splits.iter().all(|split| split.first_row % 1_000 == 0));
        let mut cutter = Cutter::new(520, 1 << 32);
        cutter.cut(1_000_000, 300_000, |row| row);
        assert_eq!(cutter.splits.iter().map(|split| split.rows).max(), Some(300_000));
    }
}
