//! Bad rows and what changes rows on the way.

use std::fs;

use serde_json::json;

use crate::common::rows::id_pairs;
use crate::support::{
    Bad, FILES, ROWS, bad, bad_for_files, configure, count, folder, has_id, ids_in, rejects,
};

#[test]
fn a_row_without_an_id_is_in_no_file_of_ids_and_any_other_is() {
    let transforms = json!([
        { "rename": { "v": "vector" } },
        { "remap": { "strategy": "offset", "offset": 10 } },
        { "rename": { "vector": "v" } }
    ]);
    let sink = json!({ "parquet": { "dir": "out" } });
    let folder = folder(sink, transforms, json!({ "on_bad_row": "reject" }));
    let done = folder.run(&["config.json", "--verify", "content"]);
    assert_eq!(done.code, 4, "{}", done.stderr);
    let pairs = id_pairs(&folder.path("remap.parquet"));
    assert_eq!(pairs.len() as u64, FILES * ROWS - 2);
    assert!(pairs.iter().all(|(old, new, _)| old.parse::<i64>().unwrap() + 10 == *new));
    for (n, reject) in rejects(&folder) {
        assert_eq!(reject.id, has_id(n).then_some(n as i64 + 10));
        // The vector had another name when it was known to be bad.
        assert_eq!(reject.vector.is_some(), bad(n) == Some(Bad::NoId));
    }
}

/// Of rows with one id, `dedupe` keeps the first in the source, bad or not.
#[test]
fn a_row_without_an_id_is_nobodys_duplicate() {
    let sink = json!({ "parquet": { "dir": "out" } });
    let transforms = json!([{ "dedupe": { "keep": "first" } }]);
    let folder = folder(sink, transforms, json!({ "on_bad_row": "reject" }));
    // All rows twice; the row without an id, too.
    for file in 0..FILES {
        let (from, to) = (format!("in/{file}.parquet"), format!("in/{}.parquet", FILES + file));
        fs::copy(folder.path(&from), folder.path(&to)).unwrap();
    }
    for parallelism in ["1", "4"] {
        let _ = fs::remove_dir_all(folder.path("out"));
        let _ = fs::remove_dir_all(folder.path("rejects"));
        let arguments = ["config.json", "--verify", "content", "--parallelism", parallelism];
        let done = folder.run(&[&arguments[..], &["--restart"]].concat());
        assert_eq!(done.code, 4, "{}{}", done.stdout, done.stderr);
        let table = &done.report["tables"][0];
        assert_eq!(table["rows_deduplicated"], FILES * ROWS - 2);
        assert_eq!(table["rows_rejected"], count(bad_for_files) + 2);
        let good = (0..FILES * ROWS).filter(|n| bad_for_files(*n).is_none());
        assert_eq!(ids_in(&folder.path("out")), good.map(|n| n as i64).collect::<Vec<_>>());
    }
}

#[test]
fn a_value_that_does_not_fit_its_cast_is_rejected_or_stops_the_run() {
    let sink = json!({ "parquet": { "dir": "out" } });
    let transforms = json!([
        { "cast": { "v": "float16" } }, { "cast": { "v": "float32" } }
    ]);
    let folder = folder(sink.clone(), transforms.clone(), json!({ "on_bad_row": "reject" }));
    let done = folder.run(&["config.json"]);
    assert_eq!(done.report["tables"][0]["rows_rejected"], count(bad_for_files));
    fs::remove_dir_all(folder.path("in")).unwrap();
    fs::create_dir(folder.path("in")).unwrap();
    let numbers = [1u64, 2, 70_000, 4, 80_001];
    crate::common::rows::write_parquet(
        &folder.path("in/0.parquet"),
        &crate::support::rows(numbers.into_iter()),
        10,
    );
    let _ = fs::remove_dir_all(folder.path("rejects"));
    let _ = fs::remove_dir_all(folder.path("out"));
    let done = folder.run(&["config.json", "--verify", "content"]);
    assert_eq!(done.code, 4, "{}", done.stderr);
    let rejected = rejects(&folder);
    assert_eq!(rejected.keys().copied().collect::<Vec<_>>(), [2, 4]);
    assert_eq!((rejected[&2].id, rejected[&2].vector.clone()), (Some(70_000), None));
    assert!(rejected[&2].reason.contains("the value 70000 in column `v` does not fit"));
    assert_eq!(ids_in(&folder.path("out")), [1, 2, 4]);
    configure(&folder, sink, transforms, json!({}));
    let done = folder.run(&["config.json", "--restart"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("Row with id 70000: the value 70000"), "{}", done.stderr);
    assert!(done.stderr.contains("cast to a wider type, or put"), "{}", done.stderr);
}
