//! What every sink promises.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::join_all;
use vecpipe::flow::Meter;
use vecpipe::sink::{Completion, Decision, Mode, Sink, TableToWrite, TargetPlan};
use vecpipe::source::{Columns, Source, SourceTable};
use vecpipe::table::Part;

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
                    counts_what_parallel_writers_wrote
                    skips_appends_and_overwrites
                    creates_an_empty_table
                    leaves_nothing_whole_when_abandoned
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
        let writer = sink.prepare(&table, &plan, Arc::new(Meter::default())).await.unwrap();
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
    let writer = sink.prepare(&table, &plan, Arc::new(Meter::default())).await.unwrap();
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
