//! The engine: every row once, in order within its split, whatever the parallelism, the budget
//! and the faults.

#![allow(clippy::expect_used, reason = "a test ends where something is not as expected")]

mod common;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use common::components::source;
use common::faulty::{FaultySource, Fuse, Several};
use common::recorder::{Fault, Recorder, Recorders};
use common::{run_pipeline, settings};
use proptest::prelude::*;
use serde_json::json;
use vecpipe::Kind;
use vecpipe::flow::{Controls, Outcome};
use vecpipe::source::Source;

/// Long enough for a loaded machine, short enough to call a run hung.
const HUNG: Duration = Duration::from_secs(60);

async fn move_rows(
    recorder: &Recorder,
    rows: u64,
    split_rows: u64,
    parallelism: usize,
    memory: u64,
) -> Outcome {
    let source = source("synthetic", json!({ "rows": rows, "dim": 8, "split_rows": split_rows }));
    let run = run_pipeline(
        source,
        Box::new(recorder.clone()),
        settings(parallelism, memory),
        Controls::default(),
    );
    tokio::time::timeout(HUNG, run).await.expect("the run must not hang").1
}

fn assert_each_once(recorder: &Recorder, rows: u64) {
    let record = recorder.record();
    assert_eq!(record.times.len() as u64, rows, "ids that arrived");
    assert!(record.times.values().all(|&n| n == 1), "no id arrives twice");
    assert!(record.times.keys().copied().eq(0..rows as i64), "exactly the source's ids");
    for (split, ids) in &record.splits {
        assert!(ids.is_sorted(), "split {split} arrived in source order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_arrives_once_for_any_parallelism() {
    for parallelism in [1, 2, 8, 32] {
        let recorder = Recorder::default();
        let outcome = move_rows(&recorder, 10_000, 700, parallelism, 64 << 10).await;
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert_each_once(&recorder, 10_000);
        assert_eq!(recorder.record().completed, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_one_batch_and_32_workers_do_not_deadlock() {
    let recorder = Recorder::default();
    // One kibibyte is the smallest budget there is: batches of a few rows take all of it.
    let outcome = move_rows(&recorder, 5_000, 100, 32, 1).await;
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    assert_each_once(&recorder, 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_table_is_prepared_and_completed() {
    let recorder = Recorder::default();
    let outcome = move_rows(&recorder, 0, 100, 4, 1 << 20).await;
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    assert_eq!(recorder.record().completed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_published_once_all_are_there_and_counted() {
    for parallelism in [1, 8] {
        let recorder = Recorder { publishes: true, ..Recorder::default() };
        let outcome = move_rows(&recorder, 10_000, 700, parallelism, 64 << 10).await;
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert_eq!(recorder.record().published, [("all".to_owned(), 10_000)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_missing_are_not_published() {
    let fault = Some(Fault::Lose(5_000));
    let recorder = Recorder { publishes: true, fault, ..Recorder::default() };
    let outcome = move_rows(&recorder, 10_000, 700, 4, 64 << 10).await;
    let error = outcome.error.expect("rows are missing");
    assert_eq!(error.kind(), Kind::Differ);
    let words = error.to_string();
    assert!(words.contains("beside synthetic holds"), "{words}");
    assert!(words.contains("what was there before is still in its place"), "{words}");
    assert!(recorder.record().published.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_sink_stops_everything() {
    let recorder = Recorder { fault: Some(Fault::Fail(500)), ..Recorder::default() };
    let outcome = move_rows(&recorder, 1_000_000, 10_000, 8, 256 << 10).await;
    assert!(recorder.record().failed.is_some(), "the fault happened");
    let error = outcome.error.expect("an error");
    assert_eq!(error.kind(), Kind::Target);
    let text = error.to_string();
    assert!(text.starts_with("told to fail\n  where: table synthetic"), "{text}");
    let record = recorder.record();
    assert!(record.rows < 100_000, "{} rows came after the failure", record.rows);
    assert_eq!(record.completed, 0, "a failed table is not completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_sink_is_an_error_not_a_hang() {
    let recorder = Recorder { fault: Some(Fault::Panic(500)), ..Recorder::default() };
    let outcome = move_rows(&recorder, 100_000, 1_000, 8, 64 << 10).await;
    let error = outcome.error.expect("an error");
    assert_eq!(error.kind(), Kind::Internal);
    assert!(error.to_string().contains("told to panic"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_or_panics_is_an_error_not_a_hang() {
    for (panics, kind) in [(false, Kind::Source), (true, Kind::Internal)] {
        let inner = source("synthetic", json!({ "rows": 50_000, "dim": 8, "split_rows": 1000 }));
        let fuse = Fuse::after(700, panics);
        let recorder = Recorder::default();
        let run = run_pipeline(
            Box::new(FaultySource { inner, fuse }),
            Box::new(recorder.clone()),
            settings(8, 64 << 10),
            Controls::default(),
        );
        let (_, outcome) = tokio::time::timeout(HUNG, run).await.expect("no hang");
        let error = outcome.error.expect("an error");
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains("told to"), "{error}");
        assert_eq!(recorder.record().completed, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_target_loses_are_exit_code_5() {
    let recorder = Recorder { fault: Some(Fault::Lose(9_000)), ..Recorder::default() };
    let outcome = move_rows(&recorder, 10_000, 700, 4, 64 << 10).await;
    let error = outcome.error.expect("an error");
    assert_eq!(error.kind(), Kind::Differ);
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains("expected 10,000"), "{error}");
}

/// A partition of Milvus 2.3.5 that was just loaded counted 60 of 598 rows, and all of them a moment later: exit code 5.
#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_lags_behind_is_made_again() {
    let late_counts = Arc::new(AtomicU32::new(2));
    let recorder = Recorder { late_counts, ..Recorder::default() };
    let outcome = move_rows(&recorder, 10_000, 700, 4, 64 << 10).await;
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_ends_a_run_after_the_write_in_flight() {
    let recorder = Recorder { delay: Some(Duration::from_millis(1)), ..Recorder::default() };
    let controls = Controls::default();
    let source = source("synthetic", json!({ "rows": 10_000_000, "dim": 8, "split_rows": 1000 }));
    let run =
        run_pipeline(source, Box::new(recorder.clone()), settings(4, 64 << 10), controls.clone());
    let stop = async {
        while recorder.record().rows == 0 {
            tokio::task::yield_now().await;
        }
        controls.stop.cancel();
    };
    let ((tables, outcome), ()) =
        tokio::time::timeout(HUNG, async { tokio::join!(run, stop) }).await.expect("no hang");
    assert_eq!(outcome.error.expect("an error").exit_code(), 130);
    let (record, meter) = (recorder.record(), &tables[0].meter);
    assert_eq!(meter.rows_written.get(), record.acknowledged, "every acknowledged row is counted");
    assert_eq!(record.rows, record.acknowledged, "no write in flight was cut off");
    assert_eq!(record.completed, 0);
}

/// One interrupt is enough to end a run whose target is dead. The clock is the runtime's own, and
/// jumps ahead when nothing else is left to do.
#[tokio::test(start_paused = true)]
async fn stop_gives_a_target_that_never_answers_ten_seconds() {
    let recorder = Recorder { fault: Some(Fault::Hang(1)), ..Recorder::default() };
    let controls = Controls::default();
    let source = source("synthetic", json!({ "rows": 100_000, "dim": 8, "split_rows": 1000 }));
    let run =
        run_pipeline(source, Box::new(recorder.clone()), settings(4, 64 << 10), controls.clone());
    let stop = async {
        while recorder.record().rows == 0 {
            tokio::task::yield_now().await;
        }
        controls.stop.cancel();
        tokio::time::Instant::now()
    };
    let ((_, outcome), stopped) = tokio::join!(run, stop);
    assert_eq!(outcome.error.expect("an error").exit_code(), 130);
    assert_eq!(stopped.elapsed().as_secs(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_ends_a_run_whose_target_never_answers() {
    let recorder = Recorder { fault: Some(Fault::Hang(1)), ..Recorder::default() };
    let controls = Controls::default();
    let source = source("synthetic", json!({ "rows": 100_000, "dim": 8, "split_rows": 1000 }));
    let run = run_pipeline(source, Box::new(recorder.clone()), settings(32, 1), controls.clone());
    let cancel = async {
        while recorder.record().rows == 0 {
            tokio::task::yield_now().await;
        }
        controls.cancel.cancel();
    };
    let ((_, outcome), ()) =
        tokio::time::timeout(HUNG, async { tokio::join!(run, cancel) }).await.expect("no hang");
    assert_eq!(outcome.error.expect("an error").kind(), Kind::Interrupted);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Several tables at once: each target gets the rows of its table, or the run fails.
    #[test]
    fn rows_of_several_tables_are_conserved(
        tables in proptest::collection::vec((0u64..1_500, 1u64..700), 1..6),
        parallelism in 1usize..33,
        memory in 1u64..(256 << 10),
        batch_rows in proptest::option::of(1usize..300),
        fuse in proptest::option::of((0u64..4_000, any::<bool>())),
    ) {
        let named = tables.iter().enumerate().map(|(n, (rows, split_rows))| {
            let first = 10_000 * n as u64;
            let settings =
                json!({ "rows": rows, "dim": 4, "split_rows": split_rows, "first_id": first });
            (format!("t{n}"), source("synthetic", settings))
        });
        let several = Box::new(Several(named.collect()));
        let from: Box<dyn Source> = match fuse {
            Some((at, panics)) => {
                Box::new(FaultySource { inner: several, fuse: Fuse::after(at, panics) })
            }
            None => several,
        };
        let sink = Recorders::default();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let (runs, outcome) = runtime.block_on(async {
            let mut settings = settings(parallelism, memory);
            settings.batch_rows = batch_rows;
            let run = run_pipeline(from, Box::new(sink.clone()), settings, Controls::default());
            tokio::time::timeout(HUNG, run).await.expect("no hang")
        });
        let mut moved = 0;
        for (n, ((rows, _), run)) in tables.iter().zip(&runs).enumerate() {
            let recorder = sink.of(&format!("t{n}"));
            let record = recorder.record();
            let first = 10_000 * n as i64;
            let own = first..first + *rows as i64;
            prop_assert!(record.times.iter().all(|(id, times)| *times == 1 && own.contains(id)));
            moved += record.times.len() as u64;
            if outcome.error.is_none() {
                prop_assert_eq!(run.meter.rows_written.get(), *rows);
                prop_assert_eq!(record.completed, 1);
            }
        }
        let all: u64 = tables.iter().map(|(rows, _)| rows).sum();
        prop_assert!(outcome.error.is_some() || moved == all);
        let breaks = fuse.is_some_and(|(at, _)| at < all);
        prop_assert_eq!(outcome.error.is_some(), breaks);
    }

    /// Rows are conserved: a run that succeeds moved each row once; a run that fails acknowledged
    /// no row twice and counted what it acknowledged.
    #[test]
    fn rows_are_conserved(
        rows in 0u64..4_000,
        split_rows in 1u64..1_500,
        parallelism in 1usize..33,
        memory in 1u64..(256 << 10),
        batch_rows in proptest::option::of(1usize..600),
        fault in proptest::option::of((0u64..6_000, 0u8..3)),
    ) {
        let fault = fault.map(|(at, kind)| match kind {
            0 => Fault::Fail(at),
            1 => Fault::Panic(at),
            _ => Fault::Lose(at),
        });
        let recorder = Recorder { fault, ..Recorder::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let (tables, outcome) = runtime.block_on(async {
            let mut settings = settings(parallelism, memory);
            settings.batch_rows = batch_rows;
            let source = source("synthetic", json!({ "rows": rows, "dim": 8, "split_rows": split_rows }));
            let run = run_pipeline(source, Box::new(recorder.clone()), settings, Controls::default());
            tokio::time::timeout(HUNG, run).await.expect("no hang")
        });
        let record = recorder.record();
        prop_assert!(record.times.values().all(|&n| n == 1));
        let complete = record.times.len() as u64 == rows;
        prop_assert_eq!(outcome.error.is_none(), complete && record.completed == 1);
        if outcome.error.is_none() {
            prop_assert_eq!(tables[0].meter.rows_written.get(), rows);
        }
    }
}
