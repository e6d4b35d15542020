//! What is still to be done, in order, and how far ahead of the workers the journal has been told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::state::TargetRun;
use crate::error::Result;
use crate::flow::{Change, Journal, SplitProgress};

/// The splits that are to be moved, of all targets. A target without any has one entry too: it is
/// only prepared and completed.
pub(super) struct Work {
    items: Vec<Item>,
    /// The next item to be taken. Held while splits behind it are announced, so that nobody begins
    /// one of them meanwhile.
    next: tokio::sync::Mutex<usize>,
    /// Items that were announced ahead, and not begun.
    ahead: Mutex<BTreeSet<usize>>,
}

struct Item {
    target: usize,
    split: Option<usize>,
    /// Rows of the split.
    rows: u64,
    earlier: SplitProgress,
}

/// Something to do for a worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    item: usize,
    /// The number of the target.
    pub target: usize,
    /// The split's number in it; none when there is none to move.
    pub split: Option<usize>,
}

/// Splits that are announced at once, however small they are.
const MOST: usize = 64;

impl Work {
    pub fn of(targets: &[Arc<TargetRun>]) -> Work {
        let mut items = Vec::new();
        let to_do = |target: &TargetRun| target.plan.moves() && !target.plan.is_complete();
        for (target, run) in targets.iter().enumerate().filter(|(_, target)| to_do(target)) {
            let item = |split: usize| Item {
                target,
                split: Some(split),
                rows: run.plan.splits[split].rows,
                earlier: run.plan.progress.splits[split],
            };
            let before = items.len();
            items.extend((0..run.plan.splits.len()).map(item).filter(|i| !i.earlier.finished));
            // Sooner than that more rows are in doubt, it is settled what became of those that are.
            items[before..].sort_by_key(|item| !item.earlier.in_doubt());
            if items.len() == before {
                let earlier = SplitProgress::default();
                items.push(Item { target, split: None, rows: 0, earlier });
            }
        }
        Work { items, next: tokio::sync::Mutex::default(), ahead: Mutex::default() }
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The next thing to do, if there is any.
    pub async fn claim(&self) -> Option<Claim> {
        let mut next = self.next.lock().await;
        let item = *next;
        let Item { target, split, .. } = *self.items.get(item)?;
        *next += 1;
        Some(Claim { item, target, split })
    }

    /// Says that a split is begun, which is answerable for its entry from now on. True when all its
    /// rows were announced ahead.
    pub fn begin(&self, claim: Claim) -> bool {
        self.ahead().remove(&claim.item)
    }

    /// Announces `change`, and with it the next splits of `target` until these have `rows` rows, if
    /// nobody has begun them. All is durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn announce(
        &self,
        journal: &Journal,
        change: Change,
        target: usize,
        rows: u64,
    ) -> Result<()> {
        let mut changes = vec![change];
        if rows == 0 {
            return journal.record_all(changes).await;
        }
        let next = self.next.lock().await;
        let mut left = rows;
        for (n, item) in self.items.iter().enumerate().skip(*next).take(MOST) {
            let fresh = item.target == target && !item.earlier.in_doubt();
            let (true, Some(split), true) = (fresh, item.split, left > 0) else { break };
            // Another worker may have announced it.
            if self.ahead().insert(n) {
                let progress = SplitProgress { sent: item.rows, ..item.earlier };
                changes.push(Change::Split(target, split, progress));
            }
            left = left.saturating_sub(item.rows);
        }
        let recorded = journal.record_all(changes).await;
        drop(next);
        recorded
    }

    /// Takes back what was announced and not begun, when nobody will begin anything any more.
    pub fn take_back(&self, journal: &Journal) {
        for item in std::mem::take(&mut *self.ahead()) {
            if let Item { target, split: Some(split), earlier, .. } = self.items[item] {
                journal.note(Change::Split(target, split, earlier));
            }
        }
    }

    fn ahead(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
