//! What every sink promises.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::join_all;
use vecpipe::flow::{Meter, Receipts, SplitProgress, Totals};
use vecpipe::location::DataLocation;
use vecpipe::sink::{
    Completion, Decision, Earlier, EarlierSplit, Granularity, Mode, Receipt, Sink, Start,
    TableToWrite, TargetPlan,
};
use vecpipe::source::{Columns, Source, SourceTable};
use vecpipe::table::{Part, Split};

use crate::common::read::Way;
use crate::fixtures;

/// A target, and sinks that write to it.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// A fresh sink for the same target.
    fn sink(&self, mode: Mode) -> Box<dyn Sink>;

    /// All that the target holds, in any form that changes when it does.
    async fn state(&self) -> String;

    /// False for a sink that keeps nothing.
    fn remembers(&self) -> bool {
        true
    }

    /// True when a table that was not completed can't be seen at the target.
    fn hides_the_incomplete(&self) -> bool {
        true
    }

    /// Removes what the tests left at the target.
    async fn clean_up(&self) {}
}

macro_rules! sink_contract {
    ($($name:ident => $fixture:expr,)+) => {
        mod sinks {
            $(mod $name {
                sink_contract!(@tests $fixture;
                    changes_nothing_by_planning
                    identifies_what_it_writes
                    counts_what_parallel_writers_wrote
                    skips_appends_and_overwrites
                    creates_an_empty_table
                    leaves_nothing_whole_when_abandoned
                    goes_on_where_it_stopped
                );
            })+
        }
    };
    (@tests $fixture:expr; $($property:ident)+) => {
        use $crate::*;
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $property() {
            /// For the names of targets that tests share.
            #[allow(dead_code)]
            const PROPERTY: &str = stringify!($property);
            let fixture = $fixture;
            $crate::support::no_hang($crate::sink::$property(&fixture)).await;
            $crate::sink::Fixture::clean_up(&fixture).await;
        })+
    };
}

/// Rows to write: a synthetic table in several splits.
struct Rows {
    source: Box<dyn Source>,
    table: SourceTable,
}

impl Rows {
    async fn make(first_id: u64, rows: u64) -> Rows {
        let source = fixtures::synthetic::rows(first_id, rows);
        let table = source.tables().await.unwrap().remove(0);
        Rows { source, table }
    }

    fn to_write(&self) -> TableToWrite {
        TableToWrite {
            database: None,
            name: self.table.name.clone(),
            collection: "contract".to_owned(),
            part: Part::Whole,
            schema: self.table.schema.clone(),
            metric: Some(vecpipe::table::Metric::L2),
            rows: self.table.rows,
        }
    }

    /// Plans, prepares, writes all splits at once, and completes.
    async fn write(&self, sink: &dyn Sink) -> (TargetPlan, Completion) {
        let table = self.to_write();
        let plan = sink.plan(&table).await.unwrap();
        let writer =
            sink.prepare(&table, &plan, &Start::Fresh, Arc::new(Meter::default())).await.unwrap();
        let cx = Way { batch_rows: 100, parallelism: 4, ..Way::PLAIN }.context();
        let written = join_all(self.table.splits.iter().map(|split| async {
            let mut rows = 0;
            let mut split_writer = writer.open_split(split).await.unwrap();
            let mut batches = self.source.open(&self.table, split, 0, Columns::All, &cx).unwrap();
            while let Some(batch) = batches.next().await {
                rows += split_writer.write(batch.unwrap()).await.unwrap().rows;
            }
            split_writer.finish().await.unwrap();
            rows
        }))
        .await;
        assert_eq!(written.iter().sum::<u64>(), self.table.rows, "acknowledged");
        let all = cx.budget.reserve(cx.budget.total_bytes(), &cx.cancel);
        assert!(all.await.is_ok(), "a writer gives its memory back");
        let completion = writer.complete().await.unwrap();
        if let Some(publish) = &plan.publish {
            sink.publish(&publish.what, completion.rows_after).await.unwrap();
        }
        (plan, completion)
    }
}

pub async fn changes_nothing_by_planning(fixture: &impl Fixture) {
    let rows = Rows::make(0, 10).await;
    for again in [false, true] {
        let before = fixture.state().await;
        for mode in [Mode::Append, Mode::Skip, Mode::Overwrite] {
            let plan = fixture.sink(mode).plan(&rows.to_write()).await.unwrap();
            assert!(!plan.target.is_empty());
        }
        assert_eq!(fixture.state().await, before);
        if !again {
            rows.write(&*fixture.sink(Mode::Append)).await;
        }
    }
}

/// By one sink as by another one for the same target; no source reads a Milvus 1.x server.
pub async fn identifies_what_it_writes(fixture: &impl Fixture) {
    let rows = Rows::make(0, 10).await;
    rows.write(&*fixture.sink(Mode::Append)).await;
    let mut found = Vec::new();
    for mode in [Mode::Append, Mode::Overwrite] {
        let (sink, table) = (fixture.sink(mode), rows.to_write());
        let plan = sink.plan(&table).await.unwrap();
        let state = fixture.state().await;
        let written = sink.write_locations(&table, &plan).await.unwrap();
        assert_eq!(fixture.state().await, state);
        let can_be_read = fixture.remembers() && sink.kind() != "milvus1";
        assert_eq!(written.is_empty(), !can_be_read, "{written:?}");
        found.push(written);
    }
    let overlap =
        |a: &[DataLocation], b: &[DataLocation]| a.iter().all(|a| b.iter().any(|b| a.overlaps(b)));
    assert!(overlap(&found[0], &found[1]), "{found:?}");
}

pub async fn counts_what_parallel_writers_wrote(fixture: &impl Fixture) {
    let rows = Rows::make(0, 2345).await;
    let (plan, completion) = rows.write(&*fixture.sink(Mode::Append)).await;
    assert_eq!(plan.decision, Decision::Create);
    assert_eq!(completion, Completion { rows_before: 0, rows_after: 2345 });
}

pub async fn skips_appends_and_overwrites(fixture: &impl Fixture) {
    if !fixture.remembers() {
        return;
    }
    let rows = Rows::make(0, 1000).await;
    rows.write(&*fixture.sink(Mode::Skip)).await;
    let before = fixture.state().await;
    let skip = fixture.sink(Mode::Skip).plan(&rows.to_write()).await.unwrap();
    assert_eq!((skip.decision, skip.rows_before), (Decision::Skip, Some(1000)));
    assert_eq!(fixture.state().await, before);

    let more = Rows::make(1000, 1000).await;
    let (plan, completion) = more.write(&*fixture.sink(Mode::Append)).await;
    assert_eq!((plan.decision, plan.rows_before), (Decision::Append, Some(1000)));
    assert_eq!(completion, Completion { rows_before: 1000, rows_after: 2000 });

    let fewer = Rows::make(0, 300).await;
    let (plan, completion) = fewer.write(&*fixture.sink(Mode::Overwrite)).await;
    assert_eq!((plan.decision, plan.rows_before), (Decision::Overwrite, Some(2000)));
    assert_eq!(completion, Completion { rows_before: 0, rows_after: 300 });
}

pub async fn creates_an_empty_table(fixture: &impl Fixture) {
    let nothing = Rows::make(0, 0).await;
    let (_, completion) = nothing.write(&*fixture.sink(Mode::Append)).await;
    assert_eq!(completion, Completion::default());
    if fixture.remembers() {
        let plan = fixture.sink(Mode::Append).plan(&nothing.to_write()).await.unwrap();
        assert_eq!(plan.decision, Decision::Append);
        // A server may not be able to tell before the first flush.
        assert_eq!(plan.rows_before.unwrap_or(0), 0);
    }
}

pub async fn leaves_nothing_whole_when_abandoned(fixture: &impl Fixture) {
    if !fixture.remembers() || !fixture.hides_the_incomplete() {
        return;
    }
    let rows = Rows::make(0, 500).await;
    let table = rows.to_write();
    let sink = fixture.sink(Mode::Append);
    let plan = sink.plan(&table).await.unwrap();
    let writer =
        sink.prepare(&table, &plan, &Start::Fresh, Arc::new(Meter::default())).await.unwrap();
    let cx = Way::PLAIN.context();
    // One split is finished, the other is dropped in the middle, the table is never completed.
    for (split, finish) in rows.table.splits.iter().zip([true, false]) {
        let mut split_writer = writer.open_split(split).await.unwrap();
        let mut batches = rows.source.open(&rows.table, split, 0, Columns::All, &cx).unwrap();
        split_writer.write(batches.next().await.unwrap().unwrap()).await.unwrap();
        if finish {
            split_writer.finish().await.unwrap();
        }
    }
    drop(writer);
    let plan = fixture.sink(Mode::Skip).plan(&table).await.unwrap();
    assert_eq!(plan.decision, Decision::Create);
    let (_, completion) = rows.write(&*fixture.sink(Mode::Append)).await;
    assert_eq!(completion, Completion { rows_before: 0, rows_after: 500 });
}

/// What an interrupted run did with `settled` of the rows of a split, when it had sent `sent`.
fn progress(settled: u64, sent: u64, finished: bool) -> SplitProgress {
    let totals = Totals { rows_read: settled, rows_written: settled, ..Totals::default() };
    SplitProgress { settled, sent, finished, totals, ..SplitProgress::default() }
}

/// A split that a run finished.
fn finished(split: &Split, sink: Option<Receipt>) -> SplitProgress {
    let receipts = Receipts { sink, stage: None };
    SplitProgress { receipts, ..progress(split.rows, split.rows, true) }
}

/// The run of all attempts.
const RUN: &str = "0123456789abcdef";

/// A run is cut off after its first split, and in the middle of its second one, of which nobody
/// knows how much arrived. Another one goes on, and is cut off when the table was complete, before
/// that was noted. A third one completes it.
pub async fn goes_on_where_it_stopped(fixture: &impl Fixture) {
    let rows = Rows::make(0, 1000).await;
    let (table, splits) = (rows.to_write(), &rows.table.splits);
    assert!(splits.len() > 2, "there is a first split, a second one, and more");
    let cx = Way { batch_rows: 100, parallelism: 2, ..Way::PLAIN }.context();
    let open = |split| rows.source.open(&rows.table, split, 0, Columns::All, &cx).unwrap();

    let sink = fixture.sink(Mode::Append);
    sink.set_run(RUN, &[]);
    let by_rows = sink.granularity() == Granularity::Rows;
    let plan = sink.plan(&table).await.unwrap();
    let writer = sink.prepare(&table, &plan, &Start::Fresh, Arc::default()).await.unwrap();
    let memo = writer.memo();
    let mut known: Vec<_> = splits.iter().map(|_| SplitProgress::default()).collect();
    let mut split = writer.open_split(&splits[0]).await.unwrap();
    let mut batches = open(&splits[0]);
    while let Some(batch) = batches.next().await {
        split.write(batch.unwrap()).await.unwrap();
    }
    let receipt = split.finish().await.unwrap();
    known[0] = finished(&splits[0], receipt);
    let mut split = writer.open_split(&splits[1]).await.unwrap();
    let first = open(&splits[1]).next().await.unwrap().unwrap();
    let in_doubt = first.len();
    split.write(first).await.unwrap();
    if by_rows {
        known[1] = progress(0, in_doubt, false);
    }
    drop((split, writer));
    sink.close().await;

    // Nothing was finished since; twice, because a table may be complete without anybody knowing.
    for attempt in 0..2 {
        let sink = fixture.sink(Mode::Append);
        sink.set_run(RUN, &[]);
        let earlier = |known: &[SplitProgress]| Earlier {
            memo: memo.clone(),
            splits: splits
                .iter()
                .zip(known)
                .map(|(split, progress)| EarlierSplit {
                    first_row: split.first_row,
                    rows: split.rows,
                    progress: *progress,
                    receipt: progress.receipts.sink,
                })
                .collect(),
        };
        let kept = sink.kept(&table, &plan, &earlier(&known)).await.unwrap();
        assert_eq!(kept.len(), splits.len());
        for (known, kept) in known.iter_mut().zip(kept) {
            if known.finished && !kept {
                assert!(!by_rows && attempt == 0, "finished rows stay");
                *known = SplitProgress::default();
            }
        }
        let start = Start::GoOn(earlier(&known));
        let writer = sink.prepare(&table, &plan, &start, Arc::default()).await.unwrap();
        for (split, known) in splits.iter().zip(&mut known).filter(|(_, known)| !known.finished) {
            let mut split_writer = writer.open_split(split).await.unwrap();
            let mut batches = open(split);
            while let Some(batch) = batches.next().await {
                let batch = batch.unwrap();
                let again = batch.place.first_row < known.sent;
                let written = match again {
                    true => split_writer.repeat(batch).await.unwrap(),
                    false => split_writer.write(batch).await.unwrap(),
                };
                assert!(written.rows > 0);
            }
            let receipt = split_writer.finish().await.unwrap();
            *known = finished(split, receipt);
        }
        let completion = writer.complete().await.unwrap();
        assert_eq!(completion, Completion { rows_before: 0, rows_after: 1000 }, "{attempt}");
        sink.close().await;
    }
}
