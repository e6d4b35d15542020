//! A sink that remembers every id it was given, and can be told to misbehave.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use async_trait::async_trait;
use vecpipe::flow::{Batch, Meter};
use vecpipe::sink::{
    Completion, Decision, IdRules, Publish, Sink, SplitWriter, TableToWrite, TableWriter,
    TargetPlan, Written,
};
use vecpipe::table::Split;
use vecpipe::{Error, Result};

/// What a recorder does at its n-th row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Returns an error.
    Fail(u64),
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
    pub rows: u64,
    pub acknowledged: u64,
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
    /// True when rows wait elsewhere until they are published.
    pub publishes: bool,
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

    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        Ok(TargetPlan {
            target: table.collection.clone(),
            decision: Decision::Create,
            rows_before: None,
            notes: Vec::new(),
            ids: IdRules::default(),
            publish: self.publishes.then(|| Publish {
                what: "all".to_owned(),
                from: format!("beside {}", table.collection),
            }),
        })
    }

    async fn publish(&self, what: &str, rows: u64) -> Result<()> {
        self.record().published.push((what.to_owned(), rows));
        Ok(())
    }

    async fn prepare(
        &self,
        _: &TableToWrite,
        _: &TargetPlan,
        _: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl TableWriter for Recorder {
    async fn open_split(&self, split: &Split) -> Result<Box<dyn SplitWriter>> {
        Ok(Box::new(Writer { recorder: self.clone(), split: split.index }))
    }

    async fn complete(&self) -> Result<Completion> {
        let mut record = self.record();
        record.completed += 1;
        Ok(Completion {
            rows_before: 0,
            rows_after: record.times.values().map(|&n| u64::from(n)).sum(),
        })
    }
}

struct Writer {
    recorder: Recorder,
    split: u32,
}

#[async_trait]
impl SplitWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<Written> {
        if let Some(delay) = self.recorder.delay {
            tokio::time::sleep(delay).await;
        }
        let rows = batch.len();
        let reached = {
            let mut record = self.recorder.record();
            record.rows += rows;
            record.rows
        };
        match self.recorder.fault {
            Some(Fault::Fail(n)) if reached >= n => {
                self.recorder.record().failed.get_or_insert_with(Instant::now);
                return Err(Error::target("told to fail").at(&batch.place));
            }
            Some(Fault::Panic(n)) if reached >= n => panic!("told to panic"),
            Some(Fault::Hang(n)) if reached >= n => std::future::pending().await,
            Some(Fault::Lose(n)) if reached >= n => {
                return Ok(Written { rows, ..Written::default() });
            }
            _ => {}
        }
        let mut record = self.recorder.record();
        for &id in batch.rows.column(0).as_primitive::<Int64Type>().values() {
            *record.times.entry(id).or_default() += 1;
            record.splits.entry(self.split).or_default().push(id);
        }
        record.acknowledged += rows;
        Ok(Written { rows, ..Written::default() })
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
