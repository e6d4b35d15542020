//! What the journal is told of one split while it moves, and what it told of it before.

use std::time::{Duration, Instant};

use super::work::{Claim, Work};
use crate::error::Result;
use crate::flow::{Batch, Change, Receipts, SplitProgress, Totals};

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

/// How far ahead a worker announces what it sends, in its split and in those behind it: the faster it
/// is, the further, so that it waits for the disk ten times a second at most. That costs nothing unless
/// the program is killed, and then only that more rows are in doubt.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Batches that are announced at once, as a power of two.
    ahead: u32,
    announced: Option<Instant>,
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

/// How much a sink lets be announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ahead {
    /// Nothing: whole splits count.
    Nothing,
    /// Rows of the split that is sent.
    Split,
    /// Rows of the splits behind it, too.
    Splits,
}

/// The journal's entry of one split.
pub(super) struct SplitLog<'a> {
    work: &'a Work,
    /// Numbers of the target and of its split.
    of: (usize, usize),
    /// Rows in the split.
    rows: u64,
    may: Ahead,
    earlier: SplitProgress,
    now: SplitProgress,
    /// Rows before this one have been announced.
    announced: u64,
    pace: &'a mut Pace,
}

impl<'a> SplitLog<'a> {
    /// The entry of the split with this number of the claim's target, which is begun now.
    pub fn begin(
        work: &'a Work,
        claim: Claim,
        split: usize,
        may: Ahead,
        pace: &'a mut Pace,
    ) -> Self {
        let (rows, earlier) = work.planned(claim.target, split);
        let announced = if work.begin(claim) { rows } else { earlier.sent };
        let of = (claim.target, split);
        SplitLog { work, of, rows, may, earlier, now: earlier, announced, pace }
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
        if self.may == Ahead::Nothing || end <= self.announced {
            return Ok(());
        }
        let ahead = first.saturating_add((end - first).saturating_mul(self.pace.batches()));
        self.announced = ahead.clamp(end, self.rows.max(end));
        let (target, _) = self.of;
        let behind = if self.may == Ahead::Splits { ahead - self.announced.min(ahead) } else { 0 };
        self.work.announce(self.change(), target, behind).await
    }

    /// Notes what became of the rows before `row`, since the last time.
    pub fn settled(&mut self, row: u64, totals: Totals) {
        self.now.settled = row;
        self.now.sent = self.now.sent.max(row);
        self.now.totals += totals;
        if self.may != Ahead::Nothing {
            self.work.note(self.change());
        }
    }

    /// Notes that the split is written and durable. Nobody waits for that: a note that is lost makes
    /// rows be in doubt, or a split be written again.
    pub fn finished(mut self, receipts: Receipts) {
        self.now.finished = true;
        self.now.receipts = receipts;
        self.announced = self.now.sent;
        self.work.note(self.change());
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
        if self.may != Ahead::Nothing && !self.now.finished {
            self.announced = self.now.sent;
            self.work.note(self.change());
        }
    }
}
