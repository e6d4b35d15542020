//! Which run is gone on with, and which is refused.

use std::fs::File;

use serde_json::json;
use vecpipe::flow::{Controls, JournalFile};

use crate::common::recorder::{Fault, Recorder};
use crate::common::rows::{batch, vectors, write_parquet};
use crate::support::Case;

fn failing() -> Recorder {
    Recorder { fault: Some(Fault::Fail(300)), ..Recorder::default() }
}

/// Names of folders and moments, which differ each time.
fn plain(text: &str, case: &Case) -> String {
    let text = text.replace(&case.dir.display().to_string(), "DIR");
    match text.split_once("The run of ").and_then(|(_, rest)| rest.split_once(" UTC")) {
        Some((then, _)) => text.replace(then, "THEN"),
        None => text,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_settings_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut case = Case::new(dir.path(), 1000, 100);
    case.attempt(Box::new(failing())).await.words();
    case.settings = json!({ "sink": "recorder", "mode": "skip" });
    let refused = case.attempt(Box::new(Recorder::default())).await;
    assert_eq!(refused.error.as_ref().unwrap().exit_code(), 2);
    insta::assert_snapshot!(plain(&refused.words(), &case), @"
    The run of THEN UTC is not done, and this one differs from it: mode was not set, is skip
      help: to go on with it, run it as it was then; --restart begins anew and forgets how far it came (the rows that it wrote stay in the target)
    ");
    JournalFile::restart(&case.state_dir(), &case.identity()).unwrap();
    let recorder = Recorder::default();
    assert!(case.attempt(Box::new(recorder.clone())).await.error.is_none());
    assert_eq!(recorder.record().rows, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_source_is_refused() {
    use std::sync::Arc;

    use arrow_array::{Float32Array, Int64Array};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let write = |first: i64| {
        let ids = Int64Array::from_iter_values(first..first + 1000);
        let values = Float32Array::from_iter_values((0..2000).map(|n| n as f32));
        let rows = batch(vec![("id", Arc::new(ids)), ("v", vectors(2, Arc::new(values)))]);
        write_parquet(&path, &rows, 1000);
    };
    write(0);
    let mut case = Case::new(dir.path(), 0, 1);
    case.source = ("parquet", json!({ "paths": [path], "vector": "v" }));
    case.attempt(Box::new(failing())).await.words();
    // The same size, the same time, other rows.
    let before = std::fs::metadata(&path).unwrap();
    write(1);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(before.modified().unwrap())
        .unwrap();
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!(
        (before.len(), before.modified().unwrap()),
        (after.len(), after.modified().unwrap())
    );
    let refused = case.attempt(Box::new(Recorder::default())).await;
    assert_eq!(refused.error.as_ref().unwrap().exit_code(), 2);
    insta::assert_snapshot!(plain(&refused.words(), &case), @"
    The run of THEN UTC is not done, and this one differs from it: table a: DIR/a.parquet changed
      help: to go on with it, run it as it was then; --restart begins anew and forgets how far it came (the rows that it wrote stay in the target)
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_touched_nothing_is_no_hindrance() {
    let dir = tempfile::tempdir().unwrap();
    let mut case = Case::new(dir.path(), 1000, 100);
    let controls = Controls::default();
    controls.stop.cancel();
    let stopped = case.attempt_with(Box::new(Recorder::default()), controls).await;
    assert_eq!(stopped.error.as_ref().unwrap().exit_code(), 130);
    case.settings = json!("other");
    let attempt = case.attempt(Box::new(Recorder::default())).await;
    assert!(attempt.error.is_none() && !attempt.resumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_one_plan_do_not_work_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case::new(dir.path(), 1000, 100);
    let held = JournalFile::lock(&case.state_dir(), &case.identity()).unwrap();
    let second = case.attempt(Box::new(Recorder::default())).await;
    assert_eq!(second.error.as_ref().unwrap().exit_code(), 75);
    let words = plain(&second.words(), &case).replace(&std::process::id().to_string(), "N");
    insta::assert_snapshot!(words, @"
    Another run moves the same rows to the same place (process N)
      where: DIR/state/3ad6465e88523d22.lock
      help: let it end first; `pipeline status` tells how far it is
    ");
    let second = JournalFile::restart(&case.state_dir(), &case.identity());
    assert!(second.is_err(), "nor is the first one's journal forgotten");
    drop(held);
    assert!(case.attempt(Box::new(Recorder::default())).await.error.is_none());
}
