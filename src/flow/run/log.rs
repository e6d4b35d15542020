//! What the journal is told of one split while it moves, and what it told of it before.

use crate::error::Result;
use crate::flow::{Batch, Change, Journal, SplitProgress, Totals};

/// How the rows of a batch stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// An interrupted run has settled them. They pass once more for whoever else needs all rows of
    /// the split.
    Settled,
    /// An interrupted run may have sent them.
    InDoubt,
    /// They have not been sent.
    New,
}

/// The journal's entry of one split.
pub(super) struct SplitLog<'a> {
    journal: &'a Journal,
    target: usize,
    split: usize,
    /// True where single rows count.
    by_rows: bool,
    earlier: SplitProgress,
    now: SplitProgress,
}

impl<'a> SplitLog<'a> {
    pub fn new(
        journal: &'a Journal,
        (target, split): (usize, usize),
        by_rows: bool,
        earlier: SplitProgress,
    ) -> Self {
        SplitLog { journal, target, split, by_rows, earlier, now: earlier }
    }

    /// Cuts a batch where the fate of its rows changes: its first rows, how they stand, and the
    /// rest, if there is any.
    pub fn cut(&self, batch: Batch) -> (Batch, Fate, Option<Batch>) {
        let first = batch.place.first_row;
        let (fate, end) = match first {
            row if row < self.earlier.settled => (Fate::Settled, self.earlier.settled),
            row if row < self.earlier.sent => (Fate::InDoubt, self.earlier.sent),
            _ => return (batch, Fate::New, None),
        };
        if first + batch.len() <= end {
            return (batch, fate, None);
        }
        let (batch, rest) = batch.split_at(end - first);
        (batch, fate, Some(rest))
    }

    /// Notes that the rows before `row` are about to be sent. Durable when it returns.
    pub async fn sending(&mut self, row: u64) -> Result<()> {
        if !self.by_rows || row <= self.now.sent {
            return Ok(());
        }
        self.now.sent = row;
        self.journal.record(self.change()).await
    }

    /// Notes what became of the rows before `row`, since the last time.
    pub fn settled(&mut self, row: u64, totals: Totals) {
        self.now.settled = row;
        self.now.sent = self.now.sent.max(row);
        self.now.totals += totals;
        if self.by_rows {
            self.journal.note(self.change());
        }
    }

    /// Notes that the split is written and durable. Durable when it returns.
    pub async fn finished(mut self) -> Result<()> {
        self.now.finished = true;
        self.journal.record(self.change()).await
    }

    fn change(&self) -> Change {
        Change::Split(self.target, self.split, self.now)
    }
}
