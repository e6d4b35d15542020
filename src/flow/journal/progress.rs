//! How far targets and splits are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::flow::Totals;
use crate::sink::{Completion, Receipt};

/// How far one split of a target is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SplitProgress {
    /// Rows, from the split's first one on, that need no more work: the target acknowledged them,
    /// or they were left out.
    pub settled: u64,
    /// The row that a write began to send ends before this one: rows from `settled` on may be in
    /// the target.
    pub sent: u64,
    /// True once the split is written and durable, in the stage too.
    pub finished: bool,
    /// What became of the settled rows.
    pub totals: Totals,
    /// What sink and stage know it by, once it is finished.
    pub receipts: Receipts,
}

/// What sink and stage know a finished split by; none where single rows count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// The sink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sink: Option<Receipt>,
    /// The stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Receipt>,
}

impl SplitProgress {
    /// True when rows may be in the target or not.
    pub fn in_doubt(&self) -> bool {
        !self.finished && self.sent > self.settled
    }
}

/// How far a target is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TargetProgress {
    /// True once something may have changed at the target.
    pub begun: bool,
    /// There once it has been prepared.
    pub memo: Option<Memo>,
    /// There once it is complete, and verified if that was asked for.
    pub completion: Option<Completion>,
    /// By the number of the split among those of the target.
    pub splits: Vec<SplitProgress>,
}

/// What sink and stage want to know of a target when they go on with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memo {
    /// The sink's words.
    pub sink: Value,
    /// The stage's.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub stage: Value,
    /// The folder of the rows that are rejected, where such rows are put aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<PathBuf>,
}

/// How a run ended, for whoever asks afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When (RFC 3339, UTC).
    pub at: String,
    /// Why it ended early; none when everything was moved.
    pub error: Option<String>,
    /// True when it was told to stop.
    pub interrupted: bool,
    /// True when the source changed while its rows were written: some may have other values.
    #[serde(default)]
    pub spoiled: bool,
}

/// One thing that is written down. Each says how something is from now on, so writing it twice
/// changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The target with this number is about to be prepared.
    Begun(usize),
    /// The target with this number has been prepared.
    Prepared(usize, Memo),
    /// How far a target's split is.
    Split(usize, usize, SplitProgress),
    /// The target with this number is complete.
    Completed(usize, Completion),
    /// The run is over.
    Ended(Ended),
}

impl TargetProgress {
    /// Nothing has been done for a target of so many splits.
    pub fn none(splits: usize) -> Self {
        TargetProgress { splits: vec![SplitProgress::default(); splits], ..Self::default() }
    }

    /// What became of the rows that are settled.
    pub fn totals(&self) -> Totals {
        self.splits.iter().map(|split| split.totals).sum()
    }

    /// Rows that need no more work.
    pub fn settled(&self) -> u64 {
        self.splits.iter().map(|split| split.settled).sum()
    }

    /// Splits that need no more work.
    pub fn finished(&self) -> usize {
        self.splits.iter().filter(|split| split.finished).count()
    }
}
