//! A table that an interrupted run began: its whole files are kept. A file of HDF5 is whole or
//! nothing, so a split is kept when all files that it lies in are whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Opening;
use super::columns::Column;
use super::file::count_rows;
use super::names::Names;
use super::place::{list_mark, look, put_in_place, sweep};
use crate::error::{Error, Result};
use crate::flow::blocking;
use crate::sink::{Completion, Decision, Earlier, EarlierSplit, SplitWriter, TableWriter};
use crate::table::Split;

/// What was there before the first row was written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Memo {
    /// Rows that come first in the new table.
    pub rows_before: u64,
    /// What the list of the old table is told by.
    pub old_list: Option<(u64, i64, i64)>,
}

/// What became of the table since the interrupted run.
enum Since {
    /// Nothing.
    Same,
    /// That run's table has taken its place, or all that is missing is names: then it was whole. Other
    /// runs may have added rows since.
    Committed,
    /// Another run's has.
    Replaced,
}

impl Memo {
    fn since(&self, names: &Names) -> Result<Since> {
        let content = look(names)?;
        let own = content.runs.iter().any(|run| run == names.run());
        Ok(match own {
            true => Since::Committed,
            false if content.half_renamed || list_mark(names)? != self.old_list => Since::Replaced,
            false => Since::Same,
        })
    }
}

impl Opening {
    /// Which finished splits are still there.
    pub fn kept(&self, earlier: &Earlier) -> Result<Vec<bool>> {
        let memo: Memo = earlier.memo()?;
        match memo.since(&self.names)? {
            Since::Committed => return Ok(vec![true; earlier.splits.len()]),
            // The old rows, which come first, are others now.
            Since::Replaced => return Ok(vec![false; earlier.splits.len()]),
            Since::Same => {}
        }
        let pieces = self.pieces(&memo);
        let whole = pieces.whole();
        let mut kept = Vec::new();
        for EarlierSplit { first_row, rows, progress, .. } in &earlier.splits {
            let first = memo.rows_before + first_row;
            kept.push(progress.finished && pieces.lie_in(&whole, first, *rows)?);
        }
        Ok(kept)
    }

    /// Opens the table as it was left.
    pub fn go_on(self, decision: Decision, earlier: &Earlier) -> Result<Arc<dyn TableWriter>> {
        let memo: Memo = earlier.memo()?;
        match memo.since(&self.names)? {
            Since::Committed => {
                let content = look(&self.names)?;
                if content.half_renamed {
                    put_in_place(
                        &self.names.of_run(content.run()),
                        content.listed.as_deref().unwrap_or_default(),
                    )?;
                }
                let splits = earlier.splits.iter().map(|split| split.progress.totals);
                let written = splits.map(|totals| totals.rows_transformed()).sum();
                let Opening { names, columns, .. } = self;
                let last = content.run() == names.run();
                let rows_before = last.then_some(memo.rows_before);
                return Ok(Arc::new(InPlace { names, columns, rows_before, written }));
            }
            Since::Replaced => return self.begin_anew(),
            Since::Same => {}
        }
        sweep(&self.names)?;
        let pieces = self.pieces(&memo);
        let whole = pieces.whole();
        let mut filled = BTreeMap::new();
        for split in earlier.splits.iter().filter(|split| split.progress.finished) {
            let written = split.progress.totals.rows_transformed();
            if written > 0 {
                filled.insert(memo.rows_before + split.first_row, written);
            }
        }
        pieces.keep(whole);
        self.open(decision, memo, pieces, filled)
    }
}

/// A table that is complete but for being counted.
struct InPlace {
    names: Names,
    columns: Vec<Column>,
    /// Rows that came first, where no other run has added rows since.
    rows_before: Option<u64>,
    /// Rows that the run wrote.
    written: u64,
}

#[async_trait]
impl TableWriter for InPlace {
    async fn open_split(&self, split: &Split) -> Result<Box<dyn SplitWriter>> {
        Err(Error::internal(format!("Split {} is in place already", split.index)))
    }

    async fn complete(&self) -> Result<Completion> {
        let (names, columns) = (self.names.clone(), self.columns.clone());
        let (rows_before, written) = (self.rows_before, self.written);
        blocking(move || {
            let paths = look(&names)?.paths(&names);
            let rows = paths.iter().map(|path| count_rows(path, &columns));
            let rows_after = rows.sum::<Result<u64>>()?;
            // What others added since can't be told from what was there before.
            let rows_before = rows_before.unwrap_or(rows_after.saturating_sub(written));
            Ok(Completion { rows_before, rows_after })
        })
        .await
    }
}
