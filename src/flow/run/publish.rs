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

/// All that is published together is complete and verified.
pub(super) struct Complete {
    what: String,
    rows: u64,
}

impl Run {
    /// Notes that a target is complete and verified. With the last one of those that belong
    /// together all of them can be put in place; until then none of them is done.
    pub(super) fn verified(&self, target: &TargetRun, rows: u64) -> Result<Option<Complete>> {
        let Some(publish) = &target.plan.plan.publish else {
            self.done(target);
            return Ok(None);
        };
        let Some(waiting) = self.publications.0.get(&publish.what) else {
            return Err(Error::internal("A target was completed that nobody waits for"));
        };
        let rows = waiting.rows.fetch_add(rows, Ordering::AcqRel) + rows;
        let last = waiting.left.fetch_sub(1, Ordering::AcqRel) == 1;
        Ok(last.then(|| Complete { what: publish.what.clone(), rows }))
    }

    /// Has the sink put it in place.
    pub(super) async fn publish(&self, Complete { what, rows }: Complete) -> Result<()> {
        self.pipeline.sink.publish(&what, rows).await?;
        let together = |target: &&Arc<TargetRun>| {
            target.plan.plan.publish.as_ref().is_some_and(|publish| publish.what == what)
        };
        self.targets.iter().filter(together).for_each(|target| self.done(target));
        Ok(())
    }

    fn done(&self, target: &TargetRun) {
        self.tables_of(target).for_each(|table| table.meter.done.store(true, Ordering::Release));
    }
}
