//! Several tables of the source in one target.

use serde_json::json;
use vecpipe::flow::{Controls, Journal, Plan, TableState, survey};
use vecpipe::ownership::Hold;
use vecpipe::report::{RunReport, Started};
use vecpipe::table::Metric;

use crate::support::{Case, Gather, Table, table};

fn three() -> Vec<Table> {
    vec![
        table("a", vec![(0..40).collect(), (40..50).collect()]),
        table("b", vec![]),
        table("c", vec![(50..55).collect(), vec![], (55..90).collect()]),
    ]
}

#[test]
fn disjoint_tables_need_no_transform() {
    for parallelism in [1, 8] {
        let dir = tempfile::tempdir().unwrap();
        let mut case = Case::new(three(), vec![]);
        case.parallelism = parallelism;
        let run = case.run(dir.path()).unwrap();
        assert_eq!(case.sink.sorted(), case.rows());
        assert_eq!(case.sink.calls(), ["prepare a + b + c of 90 rows", "complete"]);
        // Splits have numbers of their own in the target, in source order.
        let numbers = case.sink.rows.lock().unwrap().clone();
        let mut splits: Vec<_> = numbers.iter().map(|(split, row)| (*split, row.table)).collect();
        splits.sort();
        splits.dedup();
        assert_eq!(splits, [(0, 0), (1, 0), (2, 2), (4, 2)]);
        // Each table counts its own rows, and tells of the target as a whole.
        let pipeline = case.pipeline(dir.path());
        let report = RunReport::new(Started::now(), "c".to_owned(), Some(&pipeline), &run, None);
        let rows: Vec<_> = report
            .tables
            .iter()
            .map(|t| (t.source.as_str(), t.rows_written, t.target_rows_after))
            .collect();
        assert_eq!(rows, [("a", 50, Some(90)), ("b", 0, Some(90)), ("c", 40, Some(90))]);
        assert!(run.iter().all(|table| table.state() == TableState::Done));
    }
}

#[test]
fn ids_of_two_tables_that_clash_are_found_whatever_the_sink_minds() {
    let tables = vec![table("a", vec![vec![1, 2]]), table("b", vec![vec![3], vec![2, 1]])];
    let case = Case::new(tables, vec![]);
    let error = case.error();
    assert_eq!(error.exit_code(), 1);
    assert_eq!(
        error.to_string(),
        "2 ids occur more than once in the tables that are merged, in 2 rows too many: 1, 2\n  where: table a + b\n  help: add the transform `dedupe` to keep one row of each id, or `remap: { strategy: sequential }` to give every row an id of its own"
    );
    assert!(case.sink.calls().is_empty(), "nothing was touched");
    // An offset is the same for all tables.
    let dir = tempfile::tempdir().unwrap();
    let offset = json!({ "strategy": "offset", "offset": 5, "file": dir.path().join("f") });
    let error = Case { transforms: vec![("remap", offset)], ..case }.error().to_string();
    assert!(error.contains("2 rows too many: 6, 7"), "{error}");
}

#[test]
fn what_differs_is_named() {
    let say = |b: Table| {
        let error = Case::new(vec![table("a", vec![vec![1]]), b], vec![]).error();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    };
    let b = || table("b", vec![vec![2]]);
    assert!(say(Table { dim: 8, ..b() }).starts_with(
        "The tables a and b go to one target, but their vectors have 2 and 8 dimensions\n  where: all\n"
    ));
    assert!(
        say(Table { metric: Some(Metric::L2), ..b() })
            .contains("but they state no metric and the metric L2")
    );
    assert!(
        say(Table { texts: true, ..b() })
            .contains("but their columns `id` (Int64) and `id` (Utf8) differ")
    );
}

#[test]
fn tables_apart_stay_apart() {
    let tables = vec![table("a", vec![vec![1, 2]]), table("b", vec![vec![2, 1, 1]])];
    let mut case = Case::new(tables, vec![("dedupe", json!({}))]);
    case.sink.apart = true;
    case.sink.rules.unique = true;
    let dir = tempfile::tempdir().unwrap();
    // Each is counted by the sink as a whole, so that the count can't agree.
    let error = case.run(dir.path()).err().expect("the count differs");
    assert_eq!(error.exit_code(), 5);
    assert_eq!(case.sink.rows.lock().unwrap().len(), 4);
}

#[test]
fn a_target_that_lost_a_row_is_found() {
    let mut case = Case::new(three(), vec![]);
    case.sink = Gather { lose: true, ..Gather::default() };
    let error = case.error();
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().starts_with("all holds 89 rows, expected 90"), "{error}");
}

#[test]
fn a_run_without_the_survey_does_not_dedupe_by_guess() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case::new(three(), vec![("dedupe", json!({}))]);
    let pipeline = case.pipeline(dir.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async {
        let plan = Plan::make(&pipeline).await.unwrap();
        let tables = plan.into_tables();
        vecpipe::flow::run(pipeline, tables, Journal::none(), Hold::none(), Controls::default())
            .await
            .error
            .unwrap()
    });
    assert!(error.to_string().starts_with("`dedupe` needs the survey"), "{error}");
    assert!(case.sink.rows.lock().unwrap().is_empty());
}

#[test]
fn a_survey_that_is_stopped_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case { memory: 1, ..Case::new(three(), vec![("dedupe", json!({}))]) };
    let pipeline = case.pipeline(dir.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let plan = Plan::make(&pipeline).await.unwrap();
        let controls = Controls::default();
        controls.stop.cancel();
        let error = survey(&pipeline, &plan, &controls).await.unwrap_err();
        assert_eq!(error.exit_code(), 130);
    });
    assert!(!dir.path().join("state").exists());
}
