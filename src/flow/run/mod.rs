//! Running a plan: workers take splits in order, move their batches, and complete the targets.

mod log;
mod publish;
mod split;
mod state;
mod tee;
mod verify;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind, Result};
use crate::flow::plan::{Side, TargetTable};
use crate::flow::{
    Change, Ended, Journal, Memo, OnBadRow, Pipeline, ReadContext, RejectsFolder, Totals, Verify,
    blocking,
};
use crate::ownership::{End, Hold};
use crate::sink::{Decision, Granularity, Start};
use log::Pace;
use publish::{Complete, Publications};
use state::Opened;
use verify::{is_short, verify_count, warn_of_uncertain};
use work::{Claim, Work};

pub use state::{TableRun, TableState, TargetRun};

/// How a run is told to end early.
#[derive(Debug, Clone, Default)]
pub struct Controls {
    /// Stop reading, let writes in flight end, keep what was acknowledged.
    pub stop: CancellationToken,
    /// End at once.
    pub cancel: CancellationToken,
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The first error, if there was one.
    pub error: Option<Error>,
    /// True when the source changed while its rows were written: some may have other values.
    pub spoiled: bool,
}

struct Run {
    pipeline: Arc<Pipeline>,
    tables: Vec<Arc<TableRun>>,
    /// Their targets, in the order of the first tables.
    targets: Vec<Arc<TargetRun>>,
    work: Work,
    publications: Publications,
    /// What all splits are read with, but for what is a table's own.
    cx: ReadContext,
    journal: Journal,
    hold: Hold,
    controls: Controls,
    spoiled: AtomicBool,
    /// True once something may have changed at a target, by this run or the one that it resumes.
    touched: AtomicBool,
}

/// Moves the rows of all tables of a plan, and notes in the journal how far that is.
///
/// `parallelism` workers each take the next split, read it, transform its batches and write them
/// one after the other. The first error, or a panic of anything in a worker, ends all others. `hold` has
/// the marks of the targets: they go when everything has moved.
pub async fn run(
    pipeline: Arc<Pipeline>,
    tables: Vec<Arc<TableRun>>,
    journal: Journal,
    hold: Hold,
    controls: Controls,
) -> Outcome {
    let moving = (journal.clone(), hold.clone());
    let cancel = controls.cancel.clone();
    let moved = move_and_verify(pipeline, tables, moving, controls);
    tokio::pin!(moved);
    let (mut outcome, touched) = tokio::select! {
        biased;
        moved = &mut moved => moved,
        // Another run has a target: nothing more may be sent.
        () = hold.lost() => {
            cancel.cancel();
            moved.await
        }
    };
    let certain = outcome.error.is_none() || hold.is_lost();
    if certain && let Err(error) = hold.confirm().await {
        outcome.error = Some(error);
    }
    // Nothing of the run is left that could note anything later.
    let ended = Ended { spoiled: outcome.spoiled, ..Ended::now(outcome.error.as_ref()) };
    if let Err(error) = journal.end(ended).await {
        match &outcome.error {
            Some(_) => tracing::error!("{error}"),
            None => outcome.error = Some(error),
        }
    }
    hold.end(match outcome.error {
        None => End::Done,
        Some(_) if touched => End::Unfinished,
        Some(_) => End::Untouched,
    })
    .await;
    outcome
}

async fn move_and_verify(
    pipeline: Arc<Pipeline>,
    tables: Vec<Arc<TableRun>>,
    (journal, hold): (Journal, Hold),
    controls: Controls,
) -> (Outcome, bool) {
    let verify = pipeline.settings.verify;
    let run = match Run::new(pipeline, tables, (journal, hold), controls) {
        Ok(run) => Arc::new(run),
        // Whether an interrupted run had touched anything is not known here.
        Err(error) => return (Outcome { error: Some(error), ..Outcome::default() }, true),
    };
    let mut outcome = move_all(&run).await;
    if outcome.error.as_ref().is_none_or(|error| error.kind() == Kind::Differ) {
        run.look_for_changes().await;
    }
    if outcome.error.is_none() && verify == Verify::Content {
        outcome.error = run.verify_content().await.err();
    }
    (outcome, run.touched.load(Ordering::Acquire))
}

async fn move_all(run: &Arc<Run>) -> Outcome {
    let parallelism = run.pipeline.settings.parallelism.max(1);
    let mut workers = JoinSet::new();
    for _ in 0..parallelism.min(run.work.len()) {
        workers.spawn(worker(Arc::clone(run)));
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
    if outcome.error.is_none() {
        let pipeline = Arc::clone(&run.pipeline);
        let totals: Totals = run.tables.iter().map(|table| table.meter.totals()).sum();
        let finish = move || pipeline.transforms.iter().try_for_each(|t| t.finish(&totals));
        outcome.error = blocking(finish).await.err();
    }
    run.work.take_back();
    outcome.spoiled = run.spoiled.load(Ordering::Acquire);
    outcome
}

fn targets_of(tables: &[Arc<TableRun>]) -> Vec<Arc<TargetRun>> {
    let firsts =
        tables.iter().enumerate().filter(|(n, table)| table.target.plan.tables.first() == Some(n));
    firsts.map(|(_, table)| Arc::clone(&table.target)).collect()
}

async fn worker(run: Arc<Run>) -> Result<()> {
    let cancel = run.controls.cancel.clone();
    let mut pace = Pace::default();
    loop {
        let Some(claim) = run.work.claim().await else { return Ok(()) };
        if run.controls.stop.is_cancelled() {
            return Err(Error::interrupted());
        }
        let complete = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::interrupted()),
            () = overdue(&run.controls.stop) => return Err(Error::interrupted()),
            moved = run.take(claim, &mut pace) => moved?,
        };
        // Once begun, it is not left half-way because something else failed.
        if let Some(complete) = complete {
            run.publish_counted(complete).await?;
        }
    }
}

/// How long a write in flight may take to end when the run was told to stop. A server that does
/// not answer would otherwise be waited for as long as its requests are tried again.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// How long a target's count may lag behind the rows that it acknowledged.
const COUNTED_WITHIN: Duration = Duration::from_secs(15);
/// Between two counts of such a target.
const COUNT_AGAIN: Duration = Duration::from_millis(500);

async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(STOP_GRACE).await;
}

impl Run {
    fn new(
        pipeline: Arc<Pipeline>,
        tables: Vec<Arc<TableRun>>,
        (journal, hold): (Journal, Hold),
        controls: Controls,
    ) -> Result<Run> {
        let cx = pipeline.read_context()?;
        let targets = targets_of(&tables);
        let work = Work::of(&targets, journal.clone());
        let publications = Publications::of(&targets);
        let spoiled = AtomicBool::new(false);
        let touched = AtomicBool::new(targets.iter().any(|target| target.plan.progress.begun));
        Ok(Run {
            pipeline,
            tables,
            targets,
            work,
            publications,
            cx,
            journal,
            hold,
            controls,
            spoiled,
            touched,
        })
    }

    /// Warns of what changed in the source while it was read.
    async fn look_for_changes(&self) {
        let changed = tokio::select! {
            biased;
            () = self.controls.stop.cancelled() => return,
            changed = self.pipeline.source.changed_meanwhile() => changed,
        };
        for (table, words) in changed {
            if let Some(of) = self.tables.iter().find(|of| of.plan.source.name == table) {
                of.warn(&words);
            }
        }
    }

    async fn take(&self, claim: Claim, pace: &mut Pace) -> Result<Option<Complete>> {
        let Claim { target: number, split, .. } = claim;
        let target = &self.targets[number];
        let place = |error: Error| error.at(format!("table {}", target.plan.write.name));
        target.opened.get_or_try_init(|| self.prepare(number, target)).await.map_err(place)?;
        if let Some(split) = split {
            let table = &self.tables[target.plan.splits[split].table].plan.source.name;
            let place = |error: Error| error.at(format!("table {table}"));
            self.move_split(claim, split, pace).await.map_err(place)?;
            if target.splits_left.fetch_sub(1, Ordering::AcqRel) > 1 {
                return Ok(None);
            }
        }
        self.complete(number, target).await.map_err(place)
    }

    /// The tables of a target.
    fn tables_of(&self, target: &TargetRun) -> impl Iterator<Item = &Arc<TableRun>> {
        target.plan.tables.iter().map(|table| &self.tables[*table])
    }

    async fn prepare(&self, number: usize, target: &TargetRun) -> Result<Opened> {
        let TargetTable { write, staged, plan, stage, progress, .. } = &*target.plan;
        let resumed = target.plan.resumed;
        let start = |side| match &progress.memo {
            Some(_) => Start::GoOn(target.plan.earlier(side)),
            None if resumed => Start::Again,
            None => Start::Fresh,
        };
        if !progress.begun {
            self.journal.record(Change::Begun(number)).await?;
        }
        self.hold.confirm().await?;
        self.touched.store(true, Ordering::Release);
        // What the sink counts by itself is counted with the first table.
        let meter = self.tables_of(target).next().map(|table| Arc::clone(&table.meter));
        let beside = match (&self.pipeline.stage, stage) {
            (Some(sink), Some(plan)) if plan.decision != Decision::Skip => Some((sink, plan)),
            _ => None,
        };
        let sink = self
            .pipeline
            .sink
            .prepare(write, plan, &start(Side::Sink), meter.unwrap_or_default())
            .await?;
        let stage = match beside {
            Some((stage, plan)) => {
                let start = start(Side::Stage);
                Some(stage.prepare(staged, plan, &start, Arc::default()).await?)
            }
            None => None,
        };
        let rejects = self.rejects(target).await?;
        let noted = progress.memo.as_ref().is_some_and(|memo| memo.rejects.is_some());
        if let (Some(memo), Some(rejects), false) = (&progress.memo, &rejects, noted) {
            // The run that a bad row stopped had no place for it.
            let memo = Memo { rejects: Some(rejects.path().to_owned()), ..memo.clone() };
            self.journal.record(Change::Prepared(number, memo)).await?;
        }
        // What another run changed meanwhile may have made a sink begin anew.
        let changed = progress.memo.as_ref().is_some_and(|memo| memo.sink != sink.memo());
        let by_splits = self.pipeline.sink.granularity() == Granularity::Splits;
        if progress.memo.is_none() || by_splits && changed && !sink.memo().is_null() {
            let stage = stage.as_ref().map(|stage| stage.memo()).unwrap_or_default();
            let rejects = rejects.as_ref().map(|rejects| rejects.path().to_owned());
            let memo = Memo { sink: sink.memo(), stage, rejects };
            self.journal.record(Change::Prepared(number, memo)).await?;
        }
        Ok(Opened { sink, stage, rejects })
    }

    /// Where bad rows of a target go, if they are put aside.
    async fn rejects(&self, target: &TargetRun) -> Result<Option<Arc<RejectsFolder>>> {
        let settings = &self.pipeline.settings;
        let plan = Arc::clone(&target.plan);
        let earlier = plan.progress.memo.as_ref().and_then(|memo| memo.rejects.clone());
        match (settings.on_bad_row, &earlier) {
            (OnBadRow::Reject, _) => {}
            (OnBadRow::Fail, None) => return Ok(None),
            (OnBadRow::Fail, Some(folder)) => {
                return Err(Error::config("The run that is gone on with put bad rows aside")
                    .at(folder.display())
                    .help("set `on_bad_row: reject` below `run`, or begin anew with --restart"));
            }
        }
        let first = self.tables_of(target).next().map(|table| table.plan.source.name.clone());
        let rejects_dir = settings.rejects_dir.clone();
        let open = move || match earlier {
            Some(path) => RejectsFolder::reopen(&path, &plan.progress.splits),
            None => RejectsFolder::claim(&rejects_dir, &first.unwrap_or_default()),
        };
        blocking(open).await.map(|folder| Some(Arc::new(folder)))
    }

    async fn complete(&self, number: usize, target: &TargetRun) -> Result<Option<Complete>> {
        let Opened { sink, stage, rejects } = target.opened()?;
        // What is put in place must not be news to a run that goes on.
        self.journal.settle().await?;
        self.hold.confirm().await?;
        if let Some(stage) = stage {
            stage.complete().await.map_err(|error| error.at("stage"))?;
        }
        if let Some(rejects) = rejects.clone() {
            let totals: Totals = self.tables_of(target).map(|table| table.meter.totals()).sum();
            blocking(move || rejects.complete(totals.rows_rejected)).await?;
        }
        let mut completion = sink.complete().await?;
        let totals: Totals = self.tables_of(target).map(|table| table.meter.totals()).sum();
        let verifies = self.pipeline.settings.verify != Verify::None;
        let asked = Instant::now();
        while verifies && is_short(&totals, completion) && asked.elapsed() < COUNTED_WITHIN {
            tokio::time::sleep(COUNT_AGAIN).await;
            let Some(rows_after) = sink.count_again().await? else { break };
            completion.rows_after = rows_after;
        }
        let _ = target.completion.set(completion);
        if verifies {
            verify_count(&target.plan.plan, self.tables_of(target), completion)?;
            self.tables_of(target).for_each(|table| warn_of_uncertain(table));
        }
        self.verified(number, target, completion).await
    }
}
