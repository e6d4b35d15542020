//! Targets that are put in place together, once all of them are complete and verified.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Run;
use super::state::TargetRun;
use crate::error::{Error, Result};

/// What is published, each with the targets that still have to be verified.
pub(super) struct Publications(BTreeMap<String, Waiting>);

struct Waiting {
    left: AtomicUsize,
    /// Rows that the verified ones hold.
    rows: AtomicU64,
}

impl Publications {
    pub(super) fn of(targets: &[Arc<TargetRun>]) -> Publications {
        let mut all: BTreeMap<String, Waiting> = BTreeMap::new();
        for target in targets.iter().filter(|target| target.plan.moves()) {
            if let Some(publish) = &target.plan.plan.publish {
                let waiting = all.entry(publish.what.clone()).or_insert_with(|| Waiting {
                    left: AtomicUsize::new(0),
                    rows: AtomicU64::new(0),
                });
                *waiting.left.get_mut() += 1;
            }
        }
        Publications(all)
    }
}

impl Run {
    /// Notes that a target is complete and verified. The last one of those that belong together
    /// has them put in place; until then none of them is done.
    pub(super) async fn publish(&self, target: &TargetRun, rows: u64) -> Result<()> {
        let Some(publish) = &target.plan.plan.publish else {
            self.done(target);
            return Ok(());
        };
        let Some(waiting) = self.publications.0.get(&publish.what) else {
            return Err(Error::internal("A target was completed that nobody waits for"));
        };
        let rows = waiting.rows.fetch_add(rows, Ordering::AcqRel) + rows;
        if waiting.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return Ok(());
        }
        self.pipeline.sink.publish(&publish.what, rows).await?;
        let together = |other: &&Arc<TargetRun>| {
            other.plan.plan.publish.as_ref().is_some_and(|p| p.what == publish.what)
        };
        self.targets.iter().filter(together).for_each(|target| self.done(target));
        Ok(())
    }

    fn done(&self, target: &TargetRun) {
        self.tables_of(target).for_each(|table| table.meter.done.store(true, Ordering::Release));
    }
}
