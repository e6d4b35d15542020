//! Targets that are put in place together, once all of them are complete and verified: counted, and
//! compared row by row, where that was asked for. Rows are compared when all have moved.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Run;
use super::state::TargetRun;
use crate::error::{Error, Result};
use crate::flow::{Change, Verify};
use crate::sink::{Completion, Publish};

/// What is published, each with the targets that still have to be verified.
pub(super) struct Publications {
    all: BTreeMap<String, Waiting>,
    /// Counted, and to be compared.
    put_off: Mutex<Vec<Complete>>,
}

struct Waiting {
    left: AtomicUsize,
    /// Rows that the verified ones hold.
    rows: AtomicU64,
}

impl Publications {
    pub(super) fn of(targets: &[Arc<TargetRun>]) -> Publications {
        let mut all: BTreeMap<String, Waiting> = BTreeMap::new();
        let to_do = |target: &TargetRun| target.plan.moves() && !target.plan.is_complete();
        for target in targets.iter().filter(|target| to_do(target)) {
            if let Some(publish) = &target.plan.plan.publish {
                let waiting = all.entry(publish.what.clone()).or_insert_with(|| Waiting {
                    left: AtomicUsize::new(0),
                    rows: AtomicU64::new(0),
                });
                *waiting.left.get_mut() += 1;
            }
        }
        Publications { all, put_off: Mutex::default() }
    }

    /// Those that wait to be compared; they are not given twice.
    pub(super) fn put_off(&self) -> Vec<Complete> {
        std::mem::take(&mut *self.list())
    }

    fn list(&self) -> MutexGuard<'_, Vec<Complete>> {
        self.put_off.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that is published together is complete and verified.
pub(super) struct Complete {
    what: String,
    rows: u64,
}

impl Complete {
    /// True when that is published with it.
    pub(super) fn is_of(&self, publish: Option<&Publish>) -> bool {
        publish.is_some_and(|publish| publish.what == self.what)
    }
}

impl Run {
    /// Notes that a target is complete and verified. With the last one of those that belong
    /// together all of them can be put in place; until then none of them is done.
    pub(super) async fn verified(
        &self,
        number: usize,
        target: &TargetRun,
        completion: Completion,
    ) -> Result<Option<Complete>> {
        let Some(publish) = &target.plan.plan.publish else {
            self.done(&[number]).await?;
            return Ok(None);
        };
        let Some(waiting) = self.publications.all.get(&publish.what) else {
            return Err(Error::internal("A target was completed that nobody waits for"));
        };
        let more = completion.rows_after;
        let rows = waiting.rows.fetch_add(more, Ordering::AcqRel) + more;
        let last = waiting.left.fetch_sub(1, Ordering::AcqRel) == 1;
        Ok(last.then(|| Complete { what: publish.what.clone(), rows }))
    }

    /// Has the sink put it in place, unless it is compared before.
    pub(super) async fn publish_counted(&self, complete: Complete) -> Result<()> {
        if self.pipeline.settings.verify == Verify::Content {
            self.publications.list().push(complete);
            return Ok(());
        }
        self.publish(complete).await
    }

    /// Has the sink put it in place.
    pub(super) async fn publish(&self, complete: Complete) -> Result<()> {
        self.hold.confirm().await?;
        self.pipeline.sink.publish(&complete.what, complete.rows).await?;
        let together = |target: &Arc<TargetRun>| complete.is_of(target.plan.plan.publish.as_ref());
        let numbers = self.targets.iter().enumerate().filter(|(_, target)| together(target));
        self.done(&numbers.map(|(number, _)| number).collect::<Vec<_>>()).await
    }

    /// Notes that these targets are done, all at once: what is published together is never half
    /// done.
    async fn done(&self, numbers: &[usize]) -> Result<()> {
        let completions = numbers.iter().filter_map(|number| {
            let completion = self.targets[*number].completion.get()?;
            Some(Change::Completed(*number, *completion))
        });
        self.journal.record_all(completions.collect()).await?;
        for number in numbers {
            for table in self.tables_of(&self.targets[*number]) {
                table.meter.done.store(true, Ordering::Release);
            }
        }
        Ok(())
    }
}
