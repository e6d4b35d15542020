//! What is still to be done, in order, and how far ahead of the workers the journal has been told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::state::TargetRun;
use crate::error::Result;
use crate::flow::{Change, Journal, SplitProgress};

/// The splits that are to be moved, of all targets.
pub(super) struct Work {
    journal: Journal,
    targets: Vec<Arc<TargetRun>>,
    /// Numbers of a target and of its split, in order. A target without any has one entry too: it is only
    /// prepared and completed.
    items: Vec<(usize, Option<usize>)>,
    /// The next item to be taken. Held while splits behind it are announced, so that nobody begins
    /// one of them meanwhile.
    next: tokio::sync::Mutex<usize>,
    /// Items that were announced ahead, and not begun.
    ahead: Mutex<BTreeSet<usize>>,
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
    pub fn of(targets: &[Arc<TargetRun>], journal: Journal) -> Work {
        let mut items = Vec::new();
        let to_do = |target: &TargetRun| target.plan.moves() && !target.plan.is_complete();
        for (t, target) in targets.iter().enumerate().filter(|(_, target)| to_do(target)) {
            let splits = target.plan.progress.splits.iter().enumerate();
            let before = items.len();
            let mut left: Vec<_> = splits.filter(|(_, split)| !split.finished).collect();
            // Sooner than that more rows are in doubt, it is settled what became of those that are.
            left.sort_by_key(|(_, split)| !split.in_doubt());
            items.extend(left.into_iter().map(|(s, _)| (t, Some(s))));
            if items.len() == before {
                items.push((t, None));
            }
        }
        let (next, ahead) = (tokio::sync::Mutex::default(), Mutex::default());
        Work { journal, targets: targets.to_vec(), items, next, ahead }
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// The next thing to do, if there is any.
    pub async fn claim(&self) -> Option<Claim> {
        let mut next = self.next.lock().await;
        let item = *next;
        let &(target, split) = self.items.get(item)?;
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
    pub async fn announce(&self, change: Change, target: usize, rows: u64) -> Result<()> {
        let mut changes = vec![change];
        if rows == 0 {
            return self.journal.record_all(changes).await;
        }
        let next = self.next.lock().await;
        let (mut left, mut announced) = (rows, Vec::new());
        for (n, item) in self.items.iter().enumerate().skip(*next).take(MOST) {
            let &(of, Some(split)) = item else { break };
            let (rows, earlier) = self.planned(of, split);
            if of != target || earlier.in_doubt() || left == 0 {
                break;
            }
            // Another worker may have announced it.
            if !self.ahead().contains(&n) {
                announced.push(n);
                changes.push(Change::Split(of, split, SplitProgress { sent: rows, ..earlier }));
            }
            left = left.saturating_sub(rows);
        }
        self.journal.record_all(changes).await?;
        // Not sooner: whoever begins one of them sends rows without a word of its own.
        self.ahead().extend(announced);
        drop(next);
        Ok(())
    }

    /// Takes back what was announced and not begun, when nobody will begin anything any more.
    pub fn take_back(&self) {
        for item in std::mem::take(&mut *self.ahead()) {
            if let (target, Some(split)) = self.items[item] {
                let (_, earlier) = self.planned(target, split);
                self.journal.note(Change::Split(target, split, earlier));
            }
        }
    }

    /// Writes down how far a split is, with the next change that somebody waits for, or soon.
    pub fn note(&self, change: Change) {
        self.journal.note(change);
    }

    /// How many rows a target's split has, and how far it was when the run began.
    pub fn planned(&self, target: usize, split: usize) -> (u64, SplitProgress) {
        let plan = &self.targets[target].plan;
        (plan.splits[split].rows, plan.progress.splits[split])
    }

    fn ahead(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
