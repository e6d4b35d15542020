//! Rows are in source order, whatever the parallelism, the memory and the cuts.

use std::path::PathBuf;

use arrow::compute::concat_batches;
use arrow_array::RecordBatch;
use serde_json::{Value, json};
use vecpipe::flow::Controls;
use vecpipe::sink::Completion;

use crate::common::read::{Way, read_table};
use crate::common::{components, run_pipeline, settings};
use crate::support::{Part, floats, names, read, sink, to_write, whole, write};

/// Moves made-up rows into HDF5 files, and gives what was moved and the files' rows.
async fn moved(parallelism: usize, memory: u64, extra: Value) -> (RecordBatch, RecordBatch) {
    let dir = tempfile::tempdir().unwrap();
    let source = || {
        let made_up = json!({ "rows": 3001, "dim": 16, "split_rows": 170, "seed": 3 });
        components::source("synthetic", made_up)
    };
    let mut sink_settings = extra;
    sink_settings["dir"] = json!(dir.path());
    let (tables, outcome) = run_pipeline(
        source(),
        sink(sink_settings),
        settings(parallelism, memory),
        Controls::default(),
    )
    .await;
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    let done = tables[0].target.completion.get().unwrap();
    assert_eq!(*done, Completion { rows_before: 0, rows_after: 3001 });
    let table = source().tables().await.unwrap().remove(0);
    let expected = read_table(&*source(), &table, 1, &Way::PLAIN.context()).await.unwrap();
    let folder = dir.path().join(&table.collection);
    let mut files: Vec<PathBuf> = names(&folder).iter().map(|name| folder.join(name)).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "h5"));
    (expected, read(&files).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_stay_in_order_for_every_parallelism() {
    for extra in [json!({}), json!({ "gzip": 1, "max_rows_per_file": 700 })] {
        for parallelism in [1, 8] {
            let (expected, found) = moved(parallelism, 1 << 20, extra.clone()).await;
            assert_eq!(found.columns(), expected.columns(), "{parallelism} {extra}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_budget_of_one_batch_and_32_workers_do_not_deadlock() {
    for extra in [json!({}), json!({ "max_rows_per_file": 50 })] {
        let moved = moved(32, 1, extra);
        let moved = tokio::time::timeout(std::time::Duration::from_secs(60), moved).await;
        let (expected, found) = moved.expect("it hangs");
        assert_eq!(found.columns(), expected.columns());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_are_closed_in_order() {
    let (schema, rows) = floats(0, 1000);
    let part = |planned: u64, from: usize, count: usize| Part {
        planned,
        batches: if count == 0 { Vec::new() } else { vec![rows.slice(from, count)] },
    };
    // Planned rows and those that came: first and last ones, whole splits, and none at all.
    let parts = [
        part(100, 0, 0),
        part(200, 200, 150),
        part(300, 400, 300),
        part(1, 0, 0),
        part(300, 700, 299),
        part(300, 0, 0),
        part(20, 3, 17),
    ];
    let came: Vec<RecordBatch> = parts.iter().flat_map(|part| part.batches.clone()).collect();
    let expected = concat_batches(schema.arrow(), &came).unwrap();
    assert_eq!(expected.num_rows(), 766);
    for (settings, files) in [
        (json!({}), 1),
        (json!({ "gzip": 4 }), 1),
        (json!({ "max_rows_per_file": 100 }), 8),
        (json!({ "max_rows_per_file": 383 }), 2),
        (json!({ "max_rows_per_file": 7, "gzip": 1 }), 110),
        // The rows that came fit one file, those that were planned do not.
        (json!({ "max_rows_per_file": 766 }), 1),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let table = to_write(&schema, "test", Some("p"));
        let mut with_dir = settings.clone();
        with_dir["dir"] = json!(dir.path());
        let (_, completion) = write(&*sink(with_dir), &table, &parts).await;
        assert_eq!(completion, Completion { rows_before: 0, rows_after: 766 });
        let folder = dir.path().join("test");
        let mut there = names(&folder);
        assert_eq!(there.pop().unwrap(), "p.yaml");
        assert_eq!(there.len(), files, "{settings}");
        assert_eq!(there[0], if files == 1 { "p.h5" } else { "p-00001.h5" });
        let paths: Vec<PathBuf> = there.iter().map(|name| folder.join(name)).collect();
        assert_eq!(read(&paths).await.columns(), expected.columns(), "{settings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_gaps_is_an_empty_table() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, _) = floats(0, 1);
    let table = to_write(&schema, "test", None);
    let nothing = Part { planned: 500, batches: Vec::new() };
    let settings = json!({ "dir": dir.path(), "max_rows_per_file": 100 });
    let (_, completion) = write(&*sink(settings), &table, &[nothing]).await;
    assert_eq!(completion, Completion::default());
    assert_eq!(names(&dir.path().join("test")), ["_default.h5", "_default.yaml"]);
    assert_eq!(read(&[dir.path().join("test/_default.h5")]).await.num_rows(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_cut_where_files_end() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, rows) = floats(0, 250);
    let settings = json!({ "dir": dir.path(), "max_rows_per_file": 100 });
    let table = to_write(&schema, "test", None);
    write(&*sink(settings), &table, &whole(&[rows.slice(0, 120), rows.slice(120, 130)])).await;
    let folder = dir.path().join("test");
    assert_eq!(
        names(&folder),
        ["_default-00001.h5", "_default-00002.h5", "_default-00003.h5", "_default.yaml"]
    );
    for (file, first, count) in [(1, 0, 100), (2, 100, 100), (3, 200, 50)] {
        let found = read(&[folder.join(format!("_default-0000{file}.h5"))]).await;
        assert_eq!(found.columns(), rows.slice(first, count).columns(), "file {file}");
    }
}
