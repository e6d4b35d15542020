//! One row of each id, the same one whatever the parallelism and the memory.

use proptest::prelude::*;
use serde_json::json;

use crate::support::{Case, deduped, table};

fn splits() -> impl Strategy<Value = Vec<Vec<i64>>> {
    let id = prop_oneof![4 => -20i64..20, 1 => any::<i64>(), 2 => 1_000_000i64..1_000_400];
    prop::collection::vec(prop::collection::vec(id, 0..60), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_result_is_that_of_a_map(
        a in splits(),
        b in splits(),
        last in any::<bool>(),
        texts in any::<bool>(),
        memory in prop_oneof![Just(1u64), Just(1 << 20)],
    ) {
        let keep = if last { "last" } else { "first" };
        let mut tables = vec![table("a", a), table("b", b)];
        tables.iter_mut().for_each(|table| table.texts = texts);
        for parallelism in [1, 8] {
            let dir = tempfile::tempdir().unwrap();
            let mut case = Case::new(tables.clone(), vec![("dedupe", json!({ "keep": keep }))]);
            (case.parallelism, case.memory) = (parallelism, memory);
            let run = case.run(dir.path()).unwrap();
            let expected = deduped(case.rows(), keep);
            prop_assert_eq!(&case.sink.sorted(), &expected);
            let left_out: u64 = run.iter().map(|t| t.meter.rows_deduplicated.get()).sum();
            prop_assert_eq!(left_out, (case.rows().len() - expected.len()) as u64);
            drop(run);
            prop_assert!(!dir.path().join("state").exists());
        }
    }
}

/// A thousand scattered ids, each three times, with memory for a few dozen.
#[test]
fn what_does_not_fit_in_memory_goes_to_disk() {
    let ids: Vec<i64> = (0..1000i64).map(|n| n.wrapping_mul(0x2545_f491_4f6c_dd1d)).collect();
    for texts in [false, true] {
        let mut a = table("a", ids.chunks(100).map(<[_]>::to_vec).collect());
        let mut b = table("b", vec![ids.iter().rev().copied().collect(), ids.clone()]);
        (a.texts, b.texts) = (texts, texts);
        let dir = tempfile::tempdir().unwrap();
        let mut case = Case::new(vec![a, b], vec![("dedupe", json!({ "keep": "last" }))]);
        case.memory = 1 << 10;
        let run = case.run(dir.path()).unwrap();
        assert!(dir.path().join("state").exists(), "rows to leave out are on disk");
        assert_eq!(case.sink.sorted(), deduped(case.rows(), "last"));
        let counts: Vec<_> = run.iter().map(|t| t.meter.rows_deduplicated.get()).collect();
        assert_eq!(counts, [1000, 1000]);
    }
}

#[test]
fn the_sinks_rules_hold_for_what_is_left() {
    let mut case =
        Case::new(vec![table("a", vec![vec![1, 2, 1], vec![2, 3]])], vec![("dedupe", json!({}))]);
    case.sink.rules.unique = true;
    case.sink.rules.absent = true;
    let dir = tempfile::tempdir().unwrap();
    case.run(dir.path()).unwrap();
    assert_eq!(case.sink.sorted().len(), 3);

    case.transforms.clear();
    let error = case.error().to_string();
    assert!(
        error.starts_with("2 ids occur more than once in the source, in 2 rows too many: 1, 2\n"),
        "{error}"
    );
    assert!(error.contains("add the transform `dedupe`"), "{error}");
}

#[test]
fn once_is_enough() {
    let twice = vec![("dedupe", json!({})), ("dedupe", json!({ "keep": "last" }))];
    let error = Case::new(vec![table("a", vec![])], twice).error();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(
        error.to_string(),
        "The transform `dedupe` stands twice\n  where: table a, transform dedupe\n  help: once is enough: leave one of them out"
    );
}

/// A bad row is named by its place in the source, also behind rows that were left out.
#[test]
fn rows_are_named_as_the_source_counts_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("remap.parquet");
    let remap = json!({ "strategy": "offset", "offset": 1, "file": file });
    let ids = vec![1, 1, 1, 2, 1, i64::MAX];
    let transforms = vec![("dedupe", json!({})), ("remap", remap)];
    let error = Case::new(vec![table("a", vec![vec![9], ids])], transforms).error().to_string();
    assert!(error.contains("table a, split 1, row 5"), "{error}");
}
