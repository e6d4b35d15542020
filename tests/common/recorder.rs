//! A sink that remembers every id it was given, and can be told to misbehave. What it remembers
//! outlives the run, as a server's rows do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use async_trait::async_trait;
use vecpipe::flow::{Batch, Meter};
use vecpipe::location::DataLocation;
use vecpipe::sink::{
    Completion, Decision, Earlier, Granularity, IdRules, Publish, ReadBack, Receipt, Sink,
    SplitWriter, Start, TableToWrite, TableWriter, TargetPlan, Written,
};
use vecpipe::table::{RowRules, Split};
use vecpipe::{Error, Result};

/// What a recorder does at its n-th row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Returns an error.
    Fail(u64),
    /// Takes the batch, and returns an error all the same: its answer was lost.
    FailAfter(u64),
    /// Takes half of the batch, and returns an error.
    FailWithin(u64),
    /// Panics.
    Panic(u64),
    /// Never answers.
    Hang(u64),
    /// Acknowledges the batch but drops it.
    Lose(u64),
}

/// What was recorded: how often each id came, and the ids of each split in their order.
#[derive(Debug, Default)]
pub struct Record {
    pub times: BTreeMap<i64, u32>,
    pub splits: BTreeMap<u32, Vec<i64>>,
    /// Splits that were finished, where splits count.
    pub finished: BTreeSet<u32>,
    pub rows: u64,
    pub acknowledged: u64,
    /// Rows that came again because nobody knew.
    pub repeated: u64,
    pub completed: u32,
    /// What was published, and the rows that were told.
    pub published: Vec<(String, u64)>,
    pub failed: Option<Instant>,
}

/// The sink. Cloning shares its record.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    pub record: Arc<Mutex<Record>>,
    pub fault: Option<Fault>,
    pub delay: Option<Duration>,
    /// Keeps whole splits alone.
    pub by_splits: bool,
    /// How many counts miss a row before one has them all.
    pub late_counts: Arc<AtomicU32>,
    /// True when rows wait elsewhere until they are published.
    pub publishes: bool,
    /// Called when a table is about to be put in place.
    pub on_completion: Hook,
}

/// What a test does at some point of a run.
#[derive(Clone, Default)]
pub struct Hook(pub Option<Arc<dyn Fn() + Send + Sync>>);

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Hook(set)" } else { "Hook" })
    }
}

impl Recorder {
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("no test thread panicked with the lock")
    }
}

#[async_trait]
impl Sink for Recorder {
    fn kind(&self) -> &'static str {
        "recorder"
    }

    async fn write_locations(&self, _: &TableToWrite, _: &TargetPlan) -> Result<Vec<DataLocation>> {
        Ok(Vec::new())
    }

    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        Ok(TargetPlan {
            target: table.collection.clone(),
            decision: Decision::Create,
            rows_before: None,
            notes: Vec::new(),
            ids: IdRules::default(),
            rows: RowRules::default(),
            publish: self.publishes.then(|| Publish {
                what: "all".to_owned(),
                from: format!("beside {}", table.collection),
                run: "this one".to_owned(),
            }),
        })
    }

    async fn read_back(&self, _: &TableToWrite) -> Result<ReadBack> {
        Ok(ReadBack::Never("its rows are in the test's hands"))
    }

    fn granularity(&self) -> Granularity {
        if self.by_splits { Granularity::Splits } else { Granularity::Rows }
    }

    async fn kept(&self, _: &TableToWrite, _: &TargetPlan, earlier: &Earlier) -> Result<Vec<bool>> {
        let record = self.record();
        let kept = |n: u32| !self.by_splits || record.finished.contains(&n);
        Ok((0..earlier.splits.len()).map(|n| kept(n as u32)).collect())
    }

    async fn publish(&self, what: &str, rows: u64) -> Result<()> {
        self.record().published.push((what.to_owned(), rows));
        Ok(())
    }

    async fn prepare(
        &self,
        _: &TableToWrite,
        _: &TargetPlan,
        _: &Start,
        _: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl TableWriter for Recorder {
    async fn open_split(&self, split: &Split) -> Result<Box<dyn SplitWriter>> {
        let mut record = self.record();
        if self.by_splits {
            assert!(!record.finished.contains(&split.index), "a finished split comes again");
            for id in record.splits.remove(&split.index).unwrap_or_default() {
                record.times.remove(&id);
            }
        }
        Ok(Box::new(Writer { recorder: self.clone(), split: split.index }))
    }

    async fn complete(&self) -> Result<Completion> {
        if let Some(look) = &self.on_completion.0 {
            look();
        }
        self.record().completed += 1;
        Ok(Completion { rows_before: 0, rows_after: self.count() })
    }

    async fn count_again(&self) -> Result<Option<u64>> {
        Ok(Some(self.count()))
    }
}

impl Recorder {
    fn count(&self) -> u64 {
        let rows = self.record().times.values().map(|&n| u64::from(n)).sum::<u64>();
        let one_less = |left: u32| left.checked_sub(1);
        let late =
            self.late_counts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
        rows - u64::from(late)
    }
}

struct Writer {
    recorder: Recorder,
    split: u32,
}

impl Writer {
    async fn take(&self, batch: Batch, again: bool) -> Result<Written> {
        if let Some(delay) = self.recorder.delay {
            tokio::time::sleep(delay).await;
        }
        let rows = batch.len();
        let reached = {
            let mut record = self.recorder.record();
            record.rows += rows;
            record.rows
        };
        let failed = || {
            self.recorder.record().failed.get_or_insert_with(Instant::now);
            Err(Error::target("told to fail").at(&batch.place))
        };
        let ids = batch.rows.column(0).as_primitive::<Int64Type>().values();
        match self.recorder.fault {
            Some(Fault::Fail(n)) if reached >= n => return failed(),
            Some(Fault::FailAfter(n)) if reached >= n => {
                self.keep(ids, again);
                return failed();
            }
            Some(Fault::FailWithin(n)) if reached >= n => {
                self.keep(&ids[..ids.len() / 2], again);
                return failed();
            }
            Some(Fault::Panic(n)) if reached >= n => panic!("told to panic"),
            Some(Fault::Hang(n)) if reached >= n => std::future::pending().await,
            Some(Fault::Lose(n)) if reached >= n => {
                return Ok(Written { rows, ..Written::default() });
            }
            _ => {}
        }
        self.keep(ids, again);
        self.recorder.record().acknowledged += rows;
        Ok(Written { rows, ..Written::default() })
    }

    fn keep(&self, ids: &[i64], again: bool) {
        let mut record = self.recorder.record();
        for &id in ids {
            if again {
                record.repeated += 1;
                // An id that is there keeps its place, as with an upsert.
                if record.times.contains_key(&id) {
                    continue;
                }
            }
            *record.times.entry(id).or_default() += 1;
            record.splits.entry(self.split).or_default().push(id);
        }
    }
}

#[async_trait]
impl SplitWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<Written> {
        self.take(batch, false).await
    }

    async fn repeat(&mut self, batch: Batch) -> Result<Written> {
        assert!(!self.recorder.by_splits, "whole splits are never in doubt");
        self.take(batch, true).await
    }

    async fn finish(self: Box<Self>) -> Result<Option<Receipt>> {
        self.recorder.record().finished.insert(self.split);
        Ok(None)
    }
}

/// A sink of one recorder for each collection.
#[derive(Debug, Clone, Default)]
pub struct Recorders(Arc<Mutex<BTreeMap<String, Recorder>>>);

impl Recorders {
    /// The recorder of a collection.
    pub fn of(&self, collection: &str) -> Recorder {
        let mut all = self.0.lock().expect("no test thread panicked with the lock");
        all.entry(collection.to_owned()).or_default().clone()
    }
}

#[async_trait]
impl Sink for Recorders {
    fn kind(&self) -> &'static str {
        "recorders"
    }

    fn granularity(&self) -> Granularity {
        Granularity::Rows
    }

    async fn write_locations(&self, _: &TableToWrite, _: &TargetPlan) -> Result<Vec<DataLocation>> {
        Ok(Vec::new())
    }

    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        self.of(&table.collection).plan(table).await
    }

    async fn read_back(&self, table: &TableToWrite) -> Result<ReadBack> {
        self.of(&table.collection).read_back(table).await
    }

    async fn prepare(
        &self,
        table: &TableToWrite,
        plan: &TargetPlan,
        start: &Start,
        meter: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        self.of(&table.collection).prepare(table, plan, start, meter).await
    }
}
