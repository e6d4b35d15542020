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

/// How far ahead a worker announces what it sends: the faster it is, the further, so that it waits
/// for the disk ten times a second at most. That costs nothing unless the program is killed, and
/// then only that more rows are in doubt.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Batches that are announced at once, as a power of two.
    ahead: u32,
    announced: Option<Instant>,
    /// Rows of the largest batch so far.
    batch: u64,
}

impl Pace {
    const PAUSE: Duration = Duration::from_millis(100);
    const FURTHEST: u32 = 6;

    /// How many batches to announce now.
    fn batches(&mut self) -> u64 {
        let soon = self.announced.is_some_and(|at| at.elapsed() < Self::PAUSE);
        self.ahead =
            if soon { (self.ahead + 1).min(Self::FURTHEST) } else { self.ahead.saturating_sub(1) };
        self.announced = Some(Instant::now());
        1 << self.ahead
    }
}

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
    pace: &'a mut Pace,
}

impl<'a> SplitLog<'a> {
    pub fn new(
        journal: &'a Journal,
        of: (usize, usize),
        rows: u64,
        by_rows: bool,
        earlier: SplitProgress,
        pace: &'a mut Pace,
    ) -> Self {
        let announced = earlier.sent;
        SplitLog { journal, of, rows, by_rows, earlier, now: earlier, announced, pace }
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

    /// Notes that rows from `first` on will soon be sent, if it can be told how many: a worker calls it
    /// while the first of them are read, so that it need not wait for the disk when they are there.
    pub async fn opening(&mut self, first: u64) -> Result<()> {
        // What an interrupted run announced comes first, and is announced.
        if first != self.announced {
            return Ok(());
        }
        self.announce(first, first.saturating_add(self.pace.batch).min(self.rows)).await
    }

    /// Notes that the rows from `first` to `end` are about to be sent. Durable when it returns.
    pub async fn sending(&mut self, first: u64, end: u64) -> Result<()> {
        self.now.sent = self.now.sent.max(end);
        self.pace.batch = self.pace.batch.max(end.saturating_sub(first));
        self.announce(first, end).await
    }

    async fn announce(&mut self, first: u64, end: u64) -> Result<()> {
        if !self.by_rows || end <= self.announced {
            return Ok(());
        }
        let ahead = (end - first).saturating_mul(self.pace.batches());
        self.announced = first.saturating_add(ahead).clamp(end, self.rows.max(end));
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

    /// Notes that the split is written and durable. Nobody waits for that: a note that is lost makes
    /// rows be in doubt, or a split be written again.
    pub fn finished(mut self) {
        self.now.finished = true;
        self.announced = self.now.sent;
        self.journal.note(self.change());
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
