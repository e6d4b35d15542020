//! Running a plan: workers take splits in order, move their batches, and complete the tables.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind, Result};
use crate::flow::{Batch, Meter, Pipeline, Plan, ReadContext, TablePlan, Verify};
use crate::sink::{Completion, Decision, SplitWriter, TableWriter, Written};
use crate::source::Columns;
use crate::table::Split;
use crate::words::count;

/// How a run is told to end early.
#[derive(Debug, Clone, Default)]
pub struct Controls {
    /// Stop reading, let writes in flight end, keep what was acknowledged.
    pub stop: CancellationToken,
    /// End at once.
    pub cancel: CancellationToken,
}

/// How one table is getting on. The engine writes it; progress, metrics and reports read it.
pub struct TableRun {
    /// What was planned.
    pub plan: TablePlan,
    /// Counters.
    pub meter: Arc<Meter>,
    /// What the target held at the end, once the table is complete.
    pub completion: OnceLock<Completion>,
    writer: OnceCell<Arc<dyn TableWriter>>,
    stage: OnceCell<Option<Arc<dyn TableWriter>>>,
    splits_left: AtomicUsize,
}

impl TableRun {
    fn new(plan: TablePlan) -> Self {
        let splits_left = AtomicUsize::new(plan.source.splits.len());
        TableRun {
            plan,
            meter: Arc::default(),
            completion: OnceLock::new(),
            writer: OnceCell::new(),
            stage: OnceCell::new(),
            splits_left,
        }
    }

    /// How far it is.
    pub fn state(&self) -> TableState {
        if !self.plan.moves() {
            TableState::LeftAlone
        } else if self.meter.done.load(Ordering::Acquire) {
            TableState::Done
        } else if self.writer.get().is_none() {
            TableState::Waiting
        } else if self.splits_left.load(Ordering::Acquire) == 0 {
            TableState::Completing
        } else {
            TableState::Moving
        }
    }
}

/// How far a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableState {
    /// The plan leaves its target alone.
    LeftAlone,
    /// Its target has not been touched yet.
    Waiting,
    /// Its rows move.
    Moving,
    /// All rows are written; the target flushes, makes indexes, counts.
    Completing,
    /// It is complete, and verified if that was asked for.
    Done,
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The first error, if there was one.
    pub error: Option<Error>,
}

/// Tables of a plan as they will be run; progress displays hold on to them.
impl Plan {
    /// Turns the plan into the tables of a run.
    pub fn into_tables(self) -> Vec<Arc<TableRun>> {
        self.tables.into_iter().map(|plan| Arc::new(TableRun::new(plan))).collect()
    }
}

struct Run {
    pipeline: Arc<Pipeline>,
    tables: Vec<Arc<TableRun>>,
    /// Table and split (none: an empty table that is only prepared and completed), in order.
    work: Vec<(usize, Option<usize>)>,
    next: AtomicUsize,
    /// What all splits are read with, but for what is a table's own.
    cx: ReadContext,
    controls: Controls,
}

/// Moves the rows of all tables.
///
/// `parallelism` workers each take the next split, read it, transform its batches and write them
/// one after the other. The first error, or a panic of anything in a worker, ends all others.
pub async fn run(
    pipeline: Arc<Pipeline>,
    tables: Vec<Arc<TableRun>>,
    controls: Controls,
) -> Outcome {
    let parallelism = pipeline.settings.parallelism.max(1);
    let cx = match pipeline.read_context() {
        Ok(cx) => cx,
        Err(error) => return Outcome { error: Some(error) },
    };
    let work = work_of(&tables);
    let run = Arc::new(Run { pipeline, tables, work, next: AtomicUsize::new(0), cx, controls });
    let mut workers = JoinSet::new();
    for _ in 0..parallelism.min(run.work.len()) {
        workers.spawn(worker(Arc::clone(&run)));
    }
    let mut outcome = Outcome::default();
    while let Some(ended) = workers.join_next().await {
        let error = match ended {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(crash) if crash.is_panic() => Error::panicked("A worker", &*crash.into_panic()),
            Err(_) => Error::interrupted(),
        };
        // A stop lets the other workers end their writes; anything else ends them at once.
        if error.kind() != Kind::Interrupted || !run.controls.stop.is_cancelled() {
            run.controls.cancel.cancel();
        }
        // Workers that were cancelled because of the first error report only the interruption.
        if outcome.error.as_ref().is_none_or(|e| e.kind() == Kind::Interrupted) {
            outcome.error = Some(error);
        }
    }
    outcome
}

fn work_of(tables: &[Arc<TableRun>]) -> Vec<(usize, Option<usize>)> {
    let mut work = Vec::new();
    for (t, table) in tables.iter().enumerate().filter(|(_, table)| table.plan.moves()) {
        let splits = table.plan.source.splits.len();
        if splits == 0 {
            work.push((t, None));
        }
        work.extend((0..splits).map(|s| (t, Some(s))));
    }
    work
}

async fn worker(run: Arc<Run>) -> Result<()> {
    let cancel = run.controls.cancel.clone();
    loop {
        let Some(&(table, split)) = run.work.get(run.next.fetch_add(1, Ordering::Relaxed)) else {
            return Ok(());
        };
        if run.controls.stop.is_cancelled() {
            return Err(Error::interrupted());
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::interrupted()),
            () = overdue(&run.controls.stop) => return Err(Error::interrupted()),
            moved = run.take(table, split) => moved?,
        }
    }
}

/// How long a write in flight may take to end when the run was told to stop. A server that does
/// not answer would otherwise be waited for as long as its requests are tried again.
const STOP_GRACE: Duration = Duration::from_secs(10);

async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(STOP_GRACE).await;
}

impl Run {
    async fn take(&self, table: usize, split: Option<usize>) -> Result<()> {
        let table = &self.tables[table];
        let place = |error: Error| error.at(format!("table {}", table.plan.source.name));
        self.prepare(table).await.map_err(place)?;
        if let Some(split) = split {
            let split = &table.plan.source.splits[split];
            self.move_split(table, split).await.map_err(place)?;
            if table.splits_left.fetch_sub(1, Ordering::AcqRel) > 1 {
                return Ok(());
            }
        }
        self.complete(table).await.map_err(place)
    }

    async fn prepare(&self, table: &TableRun) -> Result<()> {
        let TablePlan { write, target, stage, .. } = &table.plan;
        table
            .writer
            .get_or_try_init(|| self.pipeline.sink.prepare(write, target, Arc::clone(&table.meter)))
            .await?;
        table
            .stage
            .get_or_try_init(|| async {
                match (&self.pipeline.stage, stage) {
                    (Some(sink), Some(plan)) if plan.decision != Decision::Skip => {
                        sink.prepare(write, plan, Arc::default()).await.map(Some)
                    }
                    _ => Ok(None),
                }
            })
            .await?;
        Ok(())
    }

    async fn move_split(&self, table: &TableRun, split: &Split) -> Result<()> {
        let meter = &table.meter;
        let cx = ReadContext {
            cancel: self.controls.cancel.child_token(),
            meter: Arc::clone(meter),
            ..self.cx.clone()
        };
        let mut writer = Tee::open(table, split).await?;
        let mut batches =
            self.pipeline.source.open(&table.plan.source, split, 0, Columns::All, &cx)?;
        let mut rows = 0;
        loop {
            let waiting_since = Instant::now();
            let next = tokio::select! {
                biased;
                () = self.controls.stop.cancelled() => return Err(Error::interrupted()),
                next = batches.next() => next,
            };
            meter.waiting_for_source.add_since(waiting_since);
            let Some(batch) = next.transpose()? else { break };
            rows += batch.len();
            meter.rows_read.add(batch.len());
            meter.bytes_read.add(batch.bytes());
            let transforming_since = Instant::now();
            let batch = table
                .plan
                .transforms
                .iter()
                .try_fold(batch, |batch, transform| transform.apply(batch, meter))?;
            meter.transforming.add_since(transforming_since);
            if batch.is_empty() {
                continue;
            }
            let writing_since = Instant::now();
            let written = writer.write(batch).await?;
            meter.writing.add_since(writing_since);
            meter.rows_written.add(written.rows);
            meter.rows_skipped.add(written.skipped);
            meter.rows_replaced.add(written.replaced);
        }
        if rows != split.rows {
            return Err(Error::source(format!(
                "Split {} was planned with {} rows, but {rows} came",
                split.index, split.rows
            ))
            .help("the source changed while it was read; run again when it rests"));
        }
        writer.finish().await
    }

    async fn complete(&self, table: &TableRun) -> Result<()> {
        if let Some(Some(stage)) = table.stage.get() {
            stage.complete().await.map_err(|error| error.at("stage"))?;
        }
        let Some(writer) = table.writer.get() else {
            return Err(Error::internal("A table was completed before it was prepared"));
        };
        let completion = writer.complete().await?;
        let _ = table.completion.set(completion);
        if self.pipeline.settings.verify == Verify::Count {
            verify_count(table, completion)?;
        }
        table.meter.done.store(true, Ordering::Release);
        Ok(())
    }
}

/// Compares the growth of the target's own count with the rows that it acknowledged.
fn verify_count(table: &TableRun, completion: Completion) -> Result<()> {
    let meter = &table.meter;
    let (written, replaced) = (meter.rows_written.get(), meter.rows_replaced.get());
    let left = meter.rows_read.get().saturating_sub(
        meter.rows_deduplicated.get() + meter.rows_rejected.get() + meter.rows_skipped.get(),
    );
    let target = &table.plan.target.target;
    if left != written {
        return Err(Error::differ(format!(
            "{} rows were left to write into {target}, but it acknowledged {}",
            count(left),
            count(written)
        )));
    }
    let expected = (completion.rows_before + written).saturating_sub(replaced);
    if completion.rows_after != expected {
        return Err(Error::differ(format!(
            "{target} holds {} rows, expected {}: {} before, {} written, {} of them replaced",
            count(completion.rows_after),
            count(expected),
            count(completion.rows_before),
            count(written),
            count(replaced)
        ))
        .help("something else wrote to the target during the run, or the target lost rows; compare the two before you trust either"));
    }
    Ok(())
}

/// The writers of one split: the sink's, and the stage's beside it.
struct Tee {
    main: Box<dyn SplitWriter>,
    stage: Option<Box<dyn SplitWriter>>,
}

impl Tee {
    async fn open(table: &TableRun, split: &Split) -> Result<Tee> {
        let Some(writer) = table.writer.get() else {
            return Err(Error::internal("A split was opened before its table was prepared"));
        };
        let main = writer.open_split(split).await?;
        let stage = match table.stage.get() {
            Some(Some(stage)) => Some(stage.open_split(split).await?),
            _ => None,
        };
        Ok(Tee { main, stage })
    }

    async fn write(&mut self, batch: Batch) -> Result<Written> {
        let Some(stage) = &mut self.stage else { return self.main.write(batch).await };
        let copy = Batch {
            rows: batch.rows.clone(),
            place: batch.place.clone(),
            permit: batch.permit.clone(),
        };
        let staged = async { stage.write(copy).await.map_err(|error| error.at("stage")) };
        let (written, _) = tokio::try_join!(self.main.write(batch), staged)?;
        Ok(written)
    }

    async fn finish(self) -> Result<()> {
        if let Some(stage) = self.stage {
            stage.finish().await.map_err(|error| error.at("stage"))?;
        }
        self.main.finish().await
    }
}
