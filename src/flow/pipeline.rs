//! What runs: one source, transforms in order, one sink, perhaps a stage beside it.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::flow::{BatchSize, Identity, MemoryBudget, OnBadRow, ReadContext};
use crate::sink::Sink;
use crate::source::Source;
use crate::transform::TransformFactory;

/// An assembled pipeline, ready to be planned and run.
pub struct Pipeline {
    /// Where rows come from.
    pub source: Box<dyn Source>,
    /// What happens to them, in order.
    pub transforms: Vec<Box<dyn TransformFactory>>,
    /// Where they go.
    pub sink: Box<dyn Sink>,
    /// Where they land as well, for inspection.
    pub stage: Option<Box<dyn Sink>>,
    /// The memory that rows in flight share.
    pub budget: MemoryBudget,
    /// How it runs.
    pub settings: Settings,
    /// What makes another run the same one.
    pub identity: Identity,
}

impl Pipeline {
    /// Has sink and stage work for this run, in place of those that have ended.
    pub fn work_for(&self, run: &str, ended: &[String]) {
        for sink in std::iter::once(&self.sink).chain(&self.stage) {
            sink.set_run(run, ended);
        }
    }

    /// Gives back what source, sink and stage took only to look. Called once, however it ended; gives up
    /// after a while, because the server may be what it ended by.
    pub async fn close(&self) {
        let close = async {
            let sinks = async {
                self.sink.close().await;
                if let Some(stage) = &self.stage {
                    stage.close().await;
                }
            };
            tokio::join!(self.source.close(), sinks)
        };
        if tokio::time::timeout(CLOSE_WITHIN, close).await.is_err() {
            tracing::warn!("A server did not take back in time what was loaded to be asked");
        }
    }

    /// That rows can be compared with those of the source once they have moved.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::error::Kind::Config) when the sink's settings rule it out.
    pub fn check_comparable(&self) -> Result<()> {
        match self.sink.gives_ids() {
            false => Ok(()),
            true => Err(Error::config(
                "Content can't be compared: the target gives rows new ids (keep_ids: false), and nothing else tells which row is which",
            )
            .help("compare counts, as every run does (--verify count), or keep the source's ids")),
        }
    }

    /// What it takes to read the source as a run does: the pipeline's memory, and as many reader
    /// threads as splits are read at once.
    ///
    /// # Errors
    /// As [`ReadContext::new`].
    pub fn read_context(&self) -> Result<ReadContext> {
        let Settings { parallelism, on_bad_row, .. } = self.settings;
        let budget = self.budget.clone();
        let cx = ReadContext::new(budget, self.batch_size(), parallelism)?;
        Ok(ReadContext { on_bad_row, ..cx })
    }

    /// How large batches are: as source and sinks like them, but an eighth of the memory at most, so
    /// that a small budget still lets several readers and writers work at once.
    pub fn batch_size(&self) -> BatchSize {
        let stage = self.stage.as_ref().map_or(0, |stage| stage.batch_bytes());
        let liked = self.source.batch_bytes().max(self.sink.batch_bytes()).max(stage);
        let bytes = liked.min(self.settings.memory / 8).max(1 << 10);
        BatchSize {
            rows: self.settings.batch_rows.unwrap_or(usize::MAX),
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }
}

/// How long a pipeline may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// How a pipeline runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Splits read at once, and writes in flight at once.
    pub parallelism: usize,
    /// Budget in bytes for rows in flight.
    pub memory: u64,
    /// Upper bound of rows in a batch; `None` lets the bytes alone decide.
    pub batch_rows: Option<usize>,
    /// What happens to a row that can't be moved as it is.
    pub on_bad_row: OnBadRow,
    /// Folder for rows that are put aside.
    pub rejects_dir: PathBuf,
    /// What is compared afterwards.
    pub verify: Verify,
    /// Folder for the journal, and for what the run keeps on disk while it works.
    pub state_dir: PathBuf,
}

/// What is compared once a table is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Nothing.
    None,
    /// The growth of the target's own row count with the rows that it acknowledged.
    Count,
    /// That, and every row as it is read back from the target with that of the source.
    Content,
}

/// Bytes of a batch that nobody wants larger. Those that are read and written at the same time stay
/// near the processor, and a run begins with little memory.
pub(crate) const BATCH_BYTES: u64 = 4 << 20;
/// Bytes of a batch from or to a server, which does well with one request of as many; and of one that
/// becomes a row group.
pub(crate) const LARGE_BATCH_BYTES: u64 = 8 << 20;
