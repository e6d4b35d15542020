//! A pipeline that is run again until it is done.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vecpipe::flow::{
    Controls, Identity, JournalFile, MemoryBudget, Pipeline, Plan, TableRun, check_ids,
};
use vecpipe::sink::Sink;
use vecpipe::{Error, Result};

use crate::common::components::{source, transform};
use crate::common::faulty::{FaultySource, FaultyTransform, Fuse};
use crate::common::settings;

/// Long enough for a loaded machine, short enough to call a run hung.
pub const HUNG: Duration = Duration::from_secs(120);

/// What is run, but for the sink.
#[derive(Debug, Clone)]
pub struct Case {
    pub dir: PathBuf,
    pub source: (&'static str, Value),
    pub transforms: Vec<(&'static str, Value)>,
    pub stage: Option<Value>,
    pub parallelism: usize,
    pub memory: u64,
    pub batch_rows: Option<usize>,
    pub settings: Value,
    /// Where, beside the sink, an attempt fails.
    pub trouble: Option<(Where, Fuse)>,
}

/// Who fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    Source,
    Transform,
}

impl Case {
    /// Made-up rows.
    pub fn new(dir: &Path, rows: u64, split_rows: u64) -> Case {
        Case {
            dir: dir.to_owned(),
            source: ("synthetic", json!({ "rows": rows, "dim": 4, "split_rows": split_rows })),
            transforms: Vec::new(),
            stage: None,
            parallelism: 3,
            memory: 64 << 10,
            batch_rows: Some(50),
            settings: json!({ "sink": "recorder" }),
            trouble: None,
        }
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub fn identity(&self) -> Identity {
        Identity {
            source: "source".to_owned(),
            sink: "sink".to_owned(),
            settings: self.settings.clone(),
        }
    }

    pub fn pipeline(&self, sink: Box<dyn Sink>) -> Arc<Pipeline> {
        let mut settings = settings(self.parallelism, self.memory);
        settings.batch_rows = self.batch_rows;
        settings.state_dir = self.state_dir();
        let transforms = self.transforms.iter();
        let mut transforms: Vec<_> =
            transforms.map(|(kind, value)| transform(kind, value.clone())).collect();
        let mut source = source(self.source.0, self.source.1.clone());
        match self.trouble.clone() {
            Some((Where::Source, fuse)) => source = Box::new(FaultySource { inner: source, fuse }),
            Some((Where::Transform, fuse)) => transforms.push(Box::new(FaultyTransform(fuse))),
            None => {}
        }
        let stage = self.stage.clone().map(|s| crate::common::components::sink("parquet", s));
        Arc::new(Pipeline {
            source,
            transforms,
            sink,
            stage,
            budget: MemoryBudget::new(self.memory),
            settings,
            identity: self.identity(),
        })
    }

    /// One attempt, as `pipeline run` makes it.
    pub async fn attempt(&self, sink: Box<dyn Sink>) -> Attempt {
        self.attempt_with(sink, Controls::default()).await
    }

    pub async fn attempt_with(&self, sink: Box<dyn Sink>, controls: Controls) -> Attempt {
        let run = self.run(sink, controls);
        match tokio::time::timeout(HUNG, run).await.expect("no hang") {
            Ok(attempt) => attempt,
            Err(error) => Attempt { tables: Vec::new(), resumed: false, error: Some(error) },
        }
    }

    async fn run(&self, sink: Box<dyn Sink>, controls: Controls) -> Result<Attempt> {
        let pipeline = self.pipeline(sink);
        let journal = JournalFile::lock(&self.state_dir(), &pipeline.identity)?;
        let claim = journal.claim("test", false);
        let plan = match journal.earlier() {
            Some(earlier) => Plan::resume(&pipeline, earlier, Some(&claim)).await?,
            None => Plan::claim(&pipeline, &claim).await?,
        };
        let hold = plan.hold.clone();
        check_ids(&pipeline, &plan, &controls).await?;
        let journal = journal.begin(&pipeline, &plan).await?;
        let resumed = plan.resumes.is_some();
        let tables = plan.into_tables();
        let outcome = vecpipe::flow::run(pipeline, tables.clone(), journal, hold, controls).await;
        Ok(Attempt { tables, resumed, error: outcome.error })
    }
}

/// How an attempt ended.
pub struct Attempt {
    pub tables: Vec<Arc<TableRun>>,
    pub resumed: bool,
    pub error: Option<Error>,
}

impl Attempt {
    #[track_caller]
    pub fn words(&self) -> String {
        self.error.as_ref().expect("an error").to_string()
    }
}

/// A runtime, for tests that are not async themselves.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}
