//! Runs that fail at random points, and others that go on with them: every row once.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use vecpipe::flow::EarlierRun;

use crate::common::faulty::Fuse;
use crate::common::read::{Way, read_table};
use crate::common::recorder::{Fault, Hook, Recorder};
use crate::support::{Attempt, Case, Where, block_on};

/// Where one attempt ends, and how it is run.
#[derive(Debug, Clone)]
struct Step {
    fault: Option<Fault>,
    /// Where else it fails, after how many rows, and whether by a panic.
    trouble: Option<(Where, u64, bool)>,
    parallelism: usize,
    memory: u64,
    batch_rows: usize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1u64..1500, 0u8..9, 1usize..9, 1u64..(128 << 10), 1usize..200);
    let step = step.prop_map(|(at, kind, parallelism, memory, batch_rows)| Step {
        fault: match kind {
            0 => Some(Fault::Fail(at)),
            1 => Some(Fault::FailAfter(at)),
            2 => Some(Fault::FailWithin(at)),
            3 => Some(Fault::Panic(at)),
            4 => Some(Fault::FailAfter(at / 10 + 1)),
            _ => None,
        },
        trouble: match kind {
            5 => Some((Where::Source, at, false)),
            6 => Some((Where::Source, at, true)),
            7 => Some((Where::Transform, at, false)),
            8 => Some((Where::Transform, at, true)),
            _ => None,
        },
        parallelism,
        memory,
        batch_rows,
    });
    proptest::collection::vec(step, 1..6)
}

/// Runs with each fault in turn, then without one.
async fn until_done(case: &Case, recorder: &Recorder, steps: &[Step]) -> Attempt {
    for step in steps {
        let case = Case {
            parallelism: step.parallelism,
            memory: step.memory,
            batch_rows: Some(step.batch_rows),
            trouble: step.trouble.map(|(place, at, panics)| (place, Fuse::after(at, panics))),
            ..case.clone()
        };
        // Faults count the rows of their own attempt.
        let before = recorder.record().rows;
        let fault = step.fault.map(|fault| match fault {
            Fault::Fail(n) => Fault::Fail(before + n),
            Fault::FailAfter(n) => Fault::FailAfter(before + n),
            Fault::FailWithin(n) => Fault::FailWithin(before + n),
            Fault::Panic(n) => Fault::Panic(before + n),
            other => other,
        });
        let failing = Recorder { fault, ..recorder.clone() };
        let attempt = case.attempt(Box::new(failing)).await;
        if attempt.error.is_none() {
            return attempt;
        }
    }
    case.attempt(Box::new(recorder.clone())).await
}

fn assert_each_once(recorder: &Recorder, attempt: &Attempt, rows: u64) {
    assert!(attempt.error.is_none(), "{:?}", attempt.error);
    let record = recorder.record();
    assert!(record.times.values().all(|&n| n == 1), "no id arrives twice");
    assert!(record.times.keys().copied().eq(0..rows as i64), "exactly the source's ids");
    let totals = attempt.tables[0].meter.totals();
    assert_eq!((totals.rows_read, totals.rows_written), (rows, rows));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_row_arrives_once_whatever_fails(
        rows in 0u64..3_000,
        split_rows in 1u64..1_500,
        by_splits in any::<bool>(),
        stage in any::<bool>(),
        steps in steps(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let split_rows = split_rows.max(rows / 40);
        let mut case = Case::new(dir.path(), rows, split_rows);
        case.stage = stage.then(|| json!({ "dir": dir.path().join("staged") }));
        let recorder = Recorder { by_splits, ..Recorder::default() };
        let attempt = block_on(until_done(&case, &recorder, &steps));
        assert_each_once(&recorder, &attempt, rows);
        if stage && rows > 0 {
            let staged = block_on(staged_ids(&case));
            prop_assert!(staged.iter().copied().eq(0..rows as i64), "the stage has each row once");
        }
    }

    /// What depends on the order of rows does not depend on how often a run was cut off.
    #[test]
    fn order_sensitive_transforms_give_the_same_rows(
        rows in 1u64..2_000,
        distinct in 1u64..1_500,
        split_rows in 20u64..600,
        keep_last in any::<bool>(),
        steps in steps(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let keep = if keep_last { "last" } else { "first" };
        let file = dir.path().join("remap.parquet");
        let make = |name: &str| {
            let dir = dir.path().join(name);
            std::fs::create_dir_all(&dir).unwrap();
            let mut case = Case::new(&dir, rows, split_rows.max(rows / 40));
            case.source.1 = json!({
                "rows": rows, "dim": 4, "split_rows": split_rows.max(rows / 40),
                "ids": "random", "distinct_ids": distinct,
            });
            case.transforms = vec![
                ("dedupe", json!({ "keep": keep })),
                ("remap", json!({ "strategy": "sequential", "first": 10, "file": dir.join("remap.parquet") })),
            ];
            case
        };
        let (whole, cut) = (make("whole"), make("cut"));
        let (expected, recorder) = (Recorder::default(), Recorder::default());
        let done = block_on(whole.attempt(Box::new(expected.clone())));
        prop_assert!(done.error.is_none(), "{:?}", done.error);
        let attempt = block_on(until_done(&cut, &recorder, &steps));
        prop_assert!(attempt.error.is_none(), "{:?}", attempt.error);
        prop_assert_eq!(&recorder.record().times, &expected.record().times);
        let (one, other) = (done.tables[0].meter.totals(), attempt.tables[0].meter.totals());
        prop_assert_eq!(one.rows_deduplicated, other.rows_deduplicated);
        prop_assert_eq!(one.rows_remapped, other.rows_remapped);
        prop_assert_eq!(ids_file(&whole), ids_file(&cut));
        prop_assert!(!file.exists());
    }
}

async fn staged_ids(case: &Case) -> Vec<i64> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    let source =
        crate::common::components::source("parquet", json!({ "paths": [case.dir.join("staged")] }));
    let table = source.tables().await.unwrap().remove(0);
    let rows = read_table(&*source, &table, 1, &Way::PLAIN.context()).await.unwrap();
    rows.column(0).as_primitive::<Int64Type>().values().to_vec()
}

/// Old and new ids as the file has them.
fn ids_file(case: &Case) -> Vec<(i64, i64)> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let path = case.dir.join("remap.parquet");
    assert!(!case.dir.join("remap.parquet.part").exists(), "its parts are gone");
    let file = std::fs::File::open(path).unwrap();
    let rows = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut ids = Vec::new();
    for rows in rows {
        let rows = rows.unwrap();
        let column = |n: usize| rows.column(n).as_primitive::<Int64Type>().values().to_vec();
        ids.extend(column(0).into_iter().zip(column(1)));
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_there_are_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut case = Case::new(dir.path(), 1000, 100);
    case.parallelism = 1;
    let recorder = Recorder { fault: Some(Fault::FailAfter(575)), ..Recorder::default() };
    let failed = case.attempt(Box::new(recorder.clone())).await;
    assert!(failed.words().starts_with("told to fail"));
    assert!(!failed.resumed);
    let recorder = Recorder { fault: None, ..recorder };
    let done = case.attempt(Box::new(recorder.clone())).await;
    assert!(done.resumed);
    assert_each_once(&recorder, &done, 1000);
    let record = recorder.record();
    assert_eq!(record.rows, 1050, "one batch came again");
    assert_eq!(record.repeated, 50, "the one in doubt");
    assert_eq!(done.tables[0].earlier.rows_written, 550);
}

/// Splits of a batch each: a worker announces those behind its own, too.
#[tokio::test(flavor = "multi_thread")]
async fn splits_that_were_announced_and_not_begun_are_not_in_doubt() {
    for parallelism in [1, 3] {
        let dir = tempfile::tempdir().unwrap();
        let mut case = Case::new(dir.path(), 4000, 20);
        case.parallelism = parallelism;
        let recorder = Recorder { fault: Some(Fault::FailAfter(1010)), ..Recorder::default() };
        assert!(case.attempt(Box::new(recorder.clone())).await.error.is_some());
        let recorder = Recorder { fault: None, ..recorder };
        let done = case.attempt(Box::new(recorder.clone())).await;
        assert!(done.resumed);
        assert_each_once(&recorder, &done, 4000);
        let repeated = recorder.record().repeated;
        assert!(repeated <= 20 * parallelism as u64, "{repeated} rows were in doubt");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_table_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case::new(dir.path(), 100, 10);
    let recorder = Recorder::default();
    assert!(case.attempt(Box::new(recorder.clone())).await.error.is_none());
    // A run that is done is done: the next one is a new one.
    let again = case.attempt(Box::new(recorder.clone())).await;
    assert!(!again.resumed);
    assert_eq!(recorder.record().rows, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_lost_rows_fails_again_until_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case::new(dir.path(), 1000, 100);
    let recorder = Recorder { fault: Some(Fault::Lose(900)), ..Recorder::default() };
    let lost = case.attempt(Box::new(recorder.clone())).await;
    assert_eq!(lost.error.as_ref().unwrap().exit_code(), 5);
    let recorder = Recorder { fault: None, ..recorder };
    let again = case.attempt(Box::new(recorder.clone())).await;
    assert_eq!(again.error.as_ref().unwrap().exit_code(), 5);
    assert_eq!(recorder.record().rows, 1000, "nothing was sent again");
    assert_eq!(recorder.record().completed, 2, "but it was counted");
}

/// A run that was killed just after its table was put in place found splits there that its journal did
/// not know to be finished, and refused to go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_put_in_place_once_the_journal_knows_all_its_splits() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case::new(dir.path(), 1000, 100);
    let (state_dir, identity) = (case.state_dir(), case.identity());
    let look = move || {
        let standing = EarlierRun::find(&state_dir, &identity).unwrap().expect("a journal");
        let splits = &standing.run.targets[0].splits;
        assert!(splits.iter().all(|split| split.finished), "{splits:?}");
    };
    for by_splits in [false, true] {
        let on_completion = Hook(Some(Arc::new(look.clone())));
        let recorder = Recorder { by_splits, on_completion, ..Recorder::default() };
        let attempt = case.attempt(Box::new(recorder.clone())).await;
        assert!(attempt.error.is_none(), "{:?}", attempt.error);
        assert_eq!(recorder.record().completed, 1);
    }
}
