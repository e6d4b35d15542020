//! New ids, and the file that tells them from the old ones.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::rows::id_pairs;
use crate::support::{Case, Row, Table, deduped, table};

fn remap(dir: &Path, mut settings: Value) -> (&'static str, Value) {
    settings["file"] = json!(dir.join("remap.parquet"));
    ("remap", settings)
}

/// Runs it, and holds what arrived and what the file says against the new ids that are expected.
fn compare(case: &Case, dir: &Path, expected: &[(Row, i64)]) {
    let run = case.run(dir).unwrap();
    let arrived = case.sink.sorted();
    let new = expected.iter().map(|(row, id)| Row { id: id.to_string(), ..row.clone() });
    assert_eq!(arrived, new.collect::<Vec<_>>());
    let mut noted: Vec<_> = expected
        .iter()
        .map(|(row, id)| (row.id.clone(), *id, case.tables[row.table].name.clone()))
        .collect();
    noted.sort();
    let file = dir.join("remap.parquet");
    if noted.is_empty() {
        assert!(!file.exists());
    } else {
        assert_eq!(id_pairs(&file), noted);
    }
    assert!(!dir.join("remap.parquet.part").exists());
    let remapped: u64 = run.iter().map(|t| t.meter.rows_remapped.get()).sum();
    assert_eq!(remapped, expected.len() as u64);
}

fn splits() -> impl Strategy<Value = Vec<Vec<i64>>> {
    prop::collection::vec(prop::collection::vec(-30i64..30, 0..40), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Rows of all tables are numbered in source order, without gaps, also after `dedupe`.
    #[test]
    fn numbers_are_dense_and_in_source_order(
        a in splits(),
        b in splits(),
        first in -5i64..1000,
        keep in prop_oneof![Just(None), Just(Some("first")), Just(Some("last"))],
        dedupe_after in any::<bool>(),
        texts in any::<bool>(),
    ) {
        let mut tables = vec![table("a", a), table("b", b)];
        tables.iter_mut().for_each(|table| table.texts = texts);
        for parallelism in [1, 8] {
            let dir = tempfile::tempdir().unwrap();
            let mut transforms =
                vec![remap(dir.path(), json!({ "strategy": "sequential", "first": first }))];
            if let Some(keep) = keep {
                let at = if dedupe_after { 1 } else { 0 };
                transforms.insert(at, ("dedupe", json!({ "keep": keep })));
            }
            let mut case = Case::new(tables.clone(), transforms);
            case.parallelism = parallelism;
            case.sink.rules.unique = true;
            let rows = match keep {
                Some(keep) if !dedupe_after => deduped(case.rows(), keep),
                _ => case.rows(),
            };
            let expected: Vec<_> = rows.into_iter().zip(first..).collect();
            compare(&case, dir.path(), &expected);
        }
    }
}

#[test]
fn an_offset_is_added_and_the_target_is_asked_for_new_ids() {
    let dir = tempfile::tempdir().unwrap();
    let settings = json!({ "strategy": "offset", "offset": 1000 });
    let mut case =
        Case::new(vec![table("a", vec![vec![5, 6], vec![-7]])], vec![remap(dir.path(), settings)]);
    case.sink.rules.unique = true;
    let expected: Vec<_> = case.rows().into_iter().zip([1005, 1006, 993]).collect();
    compare(&case, dir.path(), &expected);

    let dir = tempfile::tempdir().unwrap();
    case.transforms = vec![remap(dir.path(), json!({ "strategy": "offset", "offset": 2 }))];
    case.sink.rules.absent = true;
    let error = case.error().to_string();
    assert!(error.starts_with("1 id is in the target already: 7\n"), "{error}");
}

/// The hash is a promise: rows of several runs must agree on it. Anyone's XXH3 gives the same.
#[test]
fn hashes_are_fixed_and_tell_tables_apart() {
    let hash = |name: &str, texts: bool| {
        let dir = tempfile::tempdir().unwrap();
        let mut a = table(name, vec![vec![1, 2, 3]]);
        a.texts = texts;
        let transforms = vec![remap(dir.path(), json!({ "strategy": "hash" }))];
        let case = Case::new(vec![a], transforms);
        case.run(dir.path()).unwrap();
        let ids: Vec<i64> = case.sink.sorted().iter().map(|row| row.id.parse().unwrap()).collect();
        let expected = case.rows().into_iter().zip(ids.iter().copied()).collect::<Vec<_>>();
        fs_free(dir.path());
        let again = Case::new(case.tables.clone(), case.transforms.clone());
        compare(&again, dir.path(), &expected);
        ids
    };
    let (a, b, text) = (hash("a", false), hash("b", false), hash("a", true));
    assert_eq!(a, EXPECTED_INTS);
    assert_eq!(text, EXPECTED_TEXTS);
    let all: BTreeMap<i64, ()> = a.iter().chain(&b).chain(&text).map(|id| (*id, ())).collect();
    assert!(all.len() == 9 && all.keys().all(|id| *id >= 0));
}

// xxhash.xxh3_128_intdigest(b"a\0" + n.to_bytes(8, "little")) & (2**63 - 1)
const EXPECTED_INTS: [i64; 3] =
    [6_008_807_890_816_446_786, 4_458_782_356_318_550_431, 8_190_450_963_326_479_334];
// xxhash.xxh3_128_intdigest(b"a\0" + str(n).encode()) & (2**63 - 1)
const EXPECTED_TEXTS: [i64; 3] =
    [712_657_415_339_389_065, 994_522_294_425_707_508, 3_741_315_712_665_095_312];

fn fs_free(dir: &Path) {
    std::fs::remove_file(dir.join("remap.parquet")).unwrap();
}

#[test]
fn hashes_of_ids_that_come_twice_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let tables = vec![table("a", vec![vec![4, 5], vec![4]])];
    let hash = remap(dir.path(), json!({ "strategy": "hash" }));
    let mut case = Case::new(tables, vec![hash.clone()]);
    let error = case.error().to_string();
    assert!(error.starts_with("1 id occurs more than once among the new ids"), "{error}");
    assert!(error.contains("put the transform `dedupe` before `remap`"), "{error}");
    case.transforms = vec![("dedupe", json!({})), hash];
    case.run(dir.path()).unwrap();
    assert_eq!(case.sink.sorted().len(), 2);
}

/// What a failed run wrote has another name, and can be read.
#[test]
fn the_file_of_a_failed_run_does_not_look_whole() {
    let dir = tempfile::tempdir().unwrap();
    let transforms = vec![remap(dir.path(), json!({ "strategy": "sequential" }))];
    let mut case = Case::new(vec![table("a", vec![(0..50).collect()])], transforms);
    case.sink.lose = true;
    let error = case.run(dir.path()).err().expect("a row is missing");
    assert_eq!(error.exit_code(), 5);
    assert!(!dir.path().join("remap.parquet").exists());
    let part = std::fs::read_dir(dir.path().join("remap.parquet.part")).unwrap().next().unwrap();
    assert_eq!(id_pairs(&part.unwrap().path()).len(), 50);
    // Nor does it stand in the way of the next run, whereas a whole one does.
    case.sink = Default::default();
    case.run(dir.path()).unwrap();
    assert_eq!(id_pairs(&dir.path().join("remap.parquet")).len(), 50);
    let error = case.error();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().starts_with("The file of old and new ids is there already"));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let texts = Table { texts: true, ..table("a", vec![vec![1]]) };
    let say = |tables: &[Table], settings: Value| {
        let dir = tempfile::tempdir().unwrap();
        let error = Case::new(tables.to_vec(), vec![remap(dir.path(), settings)]).error();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    };
    let ints = table("b", vec![vec![1]]);
    let one = std::slice::from_ref(&ints);
    assert!(say(one, json!({ "strategy": "offset" })).contains("needs an offset"));
    assert!(say(one, json!({ "strategy": "hash", "offset": 1 })).contains("`offset` goes with"));
    assert!(say(one, json!({ "strategy": "hash", "first": 1 })).contains("`first` goes with"));
    assert!(
        say(std::slice::from_ref(&texts), json!({ "strategy": "offset", "offset": 1 }))
            .contains("Column `id` holds text ids")
    );
    let both = [texts, ints.clone()];
    assert!(say(&both, json!({ "strategy": "hash" })).contains("can't share one file"));
    let last = json!({ "strategy": "sequential", "first": i64::MAX });
    assert!(say(one, last).starts_with("The last of the new ids does not fit"));
    let folder = json!({ "strategy": "hash", "file": "/no/such/folder/remap.parquet" });
    let error = Case::new(one.to_vec(), vec![("remap", folder)]).error().to_string();
    assert!(error.starts_with("There is no folder for the file"), "{error}");
}

#[test]
fn an_id_that_does_not_fit_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let settings = json!({ "strategy": "offset", "offset": 10 });
    let case = Case::new(
        vec![table("a", vec![vec![1, 9_223_372_036_854_775_800]])],
        vec![remap(dir.path(), settings)],
    );
    let error = case.error().to_string();
    assert!(
        error.starts_with(
            "A row can't be moved: the id 9223372036854775800 and the offset 10 add up to more than 64 bits"
        ),
        "{error}"
    );
    assert!(error.contains("table a, split 0, row 1"), "{error}");
}
