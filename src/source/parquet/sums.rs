//! Comparing rows with the checksums of their row groups while they are read.

use std::collections::VecDeque;

use arrow_array::RecordBatch;
use parquet::file::metadata::ParquetMetaData;

use crate::error::{Error, Result};
use crate::sink::parquet::sums::GroupSums;
use crate::table::{Checksum, RowHasher, TableSchema};

/// Sums up the rows of some row groups, as they come.
pub struct Summing {
    hasher: RowHasher,
    /// Those that are not over yet.
    groups: VecDeque<Group>,
    /// The sum over the rows of the first of them.
    sum: Checksum,
}

struct Group {
    number: usize,
    /// Rows that have not come.
    left: u64,
    stated: Checksum,
}

impl Summing {
    /// For the rows of these row groups, in order; none where the file has no checksums.
    ///
    /// # Errors
    /// When its checksums are damaged.
    pub fn of(
        footer: &ParquetMetaData,
        groups: impl Iterator<Item = usize>,
        schema: &TableSchema,
    ) -> Result<Option<Summing>> {
        let Some(sums) = GroupSums::of(footer)? else { return Ok(None) };
        let group = |number: usize| {
            let rows = footer.row_groups().get(number)?.num_rows();
            let left = u64::try_from(rows).ok().filter(|rows| *rows > 0)?;
            Some(Group { number, left, stated: *sums.0.get(number)? })
        };
        let groups = groups.filter_map(group).collect();
        Ok(Some(Summing { hasher: RowHasher::new(schema), groups, sum: Checksum::default() }))
    }

    /// Takes the next rows.
    ///
    /// # Errors
    /// When a row group is over, and its rows are not those that were written.
    pub fn add(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut rows = rows.clone();
        while let Some(group) = self.groups.front_mut()
            && rows.num_rows() > 0
        {
            let here = usize::try_from(group.left).unwrap_or(usize::MAX).min(rows.num_rows());
            self.sum += self.hasher.sum(&rows.slice(0, here))?;
            rows = rows.slice(here, rows.num_rows() - here);
            group.left -= here as u64;
            if group.left > 0 {
                continue;
            }
            if self.sum != group.stated {
                return Err(Error::source(format!(
                    "The rows of row group {} are not those that were written: their checksum is {}, the footer says {}",
                    group.number, self.sum, group.stated
                ))
                .help("the file is damaged: copy it again from where it was written; rows of it may have been sent already"));
            }
            self.sum = Checksum::default();
            self.groups.pop_front();
        }
        Ok(())
    }
}
