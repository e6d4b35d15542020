//! Takes rows and forgets them: the smallest sink, and the tool of benches and fault tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow::{Batch, Meter};
use crate::location::DataLocation;
use crate::sink::{
    Completion, Decision, Granularity, IdRules, ReadBack, Receipt, Sink, SinkContext, SinkFactory,
    SplitWriter, Start, TableToWrite, TableWriter, TargetPlan, Written,
};
use crate::table::{RowRules, Split};

/// Takes rows and forgets them; can be slow, or fail, on purpose.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Milliseconds that each batch takes.
    #[serde(default)]
    delay_ms: u64,
    /// Fail when this many rows have been taken.
    #[serde(default)]
    fail_after_rows: Option<u64>,
    /// Panic, rather than fail, at that row.
    #[serde(default)]
    panic: bool,
}

impl SinkFactory for Config {
    fn build(&self, _: &SinkContext) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Null { config: self.clone() }))
    }

    fn place(&self) -> String {
        "nowhere".to_owned()
    }
}

struct Null {
    config: Config,
}

#[async_trait]
impl Sink for Null {
    fn kind(&self) -> &'static str {
        "null"
    }

    async fn plan(&self, table: &TableToWrite) -> Result<TargetPlan> {
        Ok(TargetPlan {
            target: match &table.database {
                Some(database) => format!("nowhere ({database}/{})", table.collection),
                None => format!("nowhere ({})", table.collection),
            },
            decision: Decision::Create,
            rows_before: None,
            notes: Vec::new(),
            ids: IdRules::default(),
            rows: RowRules::default(),
            publish: None,
        })
    }

    async fn write_locations(&self, _: &TableToWrite, _: &TargetPlan) -> Result<Vec<DataLocation>> {
        Ok(Vec::new())
    }

    async fn read_back(&self, _: &TableToWrite) -> Result<ReadBack> {
        Ok(ReadBack::Never("the null sink keeps no rows"))
    }

    fn granularity(&self) -> Granularity {
        Granularity::Rows
    }

    async fn prepare(
        &self,
        _: &TableToWrite,
        _: &TargetPlan,
        start: &Start,
        _: Arc<Meter>,
    ) -> Result<Arc<dyn TableWriter>> {
        let earlier = match start {
            Start::GoOn(earlier) => {
                earlier.splits.iter().map(|s| s.progress.totals.rows_written).sum()
            }
            Start::Fresh | Start::Again => 0,
        };
        Ok(Arc::new(Table { config: self.config.clone(), earlier, rows: Arc::default() }))
    }
}

struct Table {
    config: Config,
    /// Rows that an interrupted run was rid of.
    earlier: u64,
    rows: Arc<AtomicU64>,
}

#[async_trait]
impl TableWriter for Table {
    async fn open_split(&self, _: &Split) -> Result<Box<dyn SplitWriter>> {
        Ok(Box::new(Writer { config: self.config.clone(), rows: Arc::clone(&self.rows) }))
    }

    async fn complete(&self) -> Result<Completion> {
        Ok(Completion {
            rows_before: 0,
            rows_after: self.earlier + self.rows.load(Ordering::Acquire),
        })
    }
}

struct Writer {
    config: Config,
    rows: Arc<AtomicU64>,
}

#[async_trait]
impl SplitWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<Written> {
        if self.config.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.config.delay_ms)).await;
        }
        let rows = batch.len();
        let taken = self.rows.fetch_add(rows, Ordering::AcqRel) + rows;
        match self.config.fail_after_rows {
            Some(limit) if taken >= limit => {
                assert!(!self.config.panic, "the null sink was told to panic at row {limit}");
                Err(Error::target(format!("The null sink was told to fail at row {limit}"))
                    .at(&batch.place))
            }
            _ => Ok(Written { rows, ..Written::default() }),
        }
    }

    /// What was forgotten is not there twice.
    async fn repeat(&mut self, batch: Batch) -> Result<Written> {
        self.write(batch).await
    }

    async fn finish(self: Box<Self>) -> Result<Option<Receipt>> {
        Ok(None)
    }
}
