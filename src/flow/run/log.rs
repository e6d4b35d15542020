//! What the journal is told of one split while it moves, and what it told of it before.

use std::time::{Duration, Instant};

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

/// How often, at most, a split waits for the disk: rows that are written faster are announced
/// further ahead. That costs nothing unless the program is killed, and then only that more rows are
/// in doubt.
const PAUSE: Duration = Duration::from_millis(100);
/// Batches that are announced ahead at most.
const FURTHEST: u64 = 64;

/// The journal's entry of one split.
pub(super) struct SplitLog<'a> {
    journal: &'a Journal,
    /// Numbers of the target and of its split.
    of: (usize, usize),
    /// Rows in the split.
    rows: u64,
    /// True where single rows count.
    by_rows: bool,
    earlier: SplitProgress,
    now: SplitProgress,
    /// Rows before this one have been announced.
    announced: u64,
    /// Batches that are announced at once, and when that was done last.
    ahead: u64,
    announced_at: Option<Instant>,
}

impl<'a> SplitLog<'a> {
    pub fn new(
        journal: &'a Journal,
        of: (usize, usize),
        rows: u64,
        by_rows: bool,
        earlier: SplitProgress,
    ) -> Self {
        let announced = earlier.sent;
        let now = earlier;
        let (ahead, announced_at) = (1, None);
        SplitLog { journal, of, rows, by_rows, earlier, now, announced, ahead, announced_at }
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

    /// Notes that the rows from `first` to `end` are about to be sent. Durable when it returns.
    pub async fn sending(&mut self, first: u64, end: u64) -> Result<()> {
        self.now.sent = self.now.sent.max(end);
        if !self.by_rows || end <= self.announced {
            return Ok(());
        }
        self.ahead = match self.announced_at {
            Some(at) if at.elapsed() < PAUSE => (self.ahead * 2).min(FURTHEST),
            _ => (self.ahead / 2).max(1),
        };
        self.announced = first.saturating_add((end - first) * self.ahead).min(self.rows);
        self.announced_at = Some(Instant::now());
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
        self.announced = self.now.sent;
        self.journal.record(self.change()).await
    }

    fn change(&self) -> Change {
        let (target, split) = self.of;
        let sent = self.announced.max(self.now.sent);
        Change::Split(target, split, SplitProgress { sent, ..self.now })
    }
}

impl Drop for SplitLog<'_> {
    /// However the split was left: what was announced and not sent is not in doubt.
    fn drop(&mut self) {
        if self.by_rows && !self.now.finished {
            self.announced = self.now.sent;
            self.journal.note(self.change());
        }
    }
}
