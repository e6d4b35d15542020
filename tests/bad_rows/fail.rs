//! `on_bad_row: fail`, which is the default.

use std::fs;

use serde_json::json;

use crate::common::rows::write_parquet;
use crate::support::{configure, folder, into, rejects, rows};
use crate::work::Server;

#[test]
fn what_the_source_knows_of_stops_the_run_before_it_changes_anything() {
    let folder = folder(json!({ "parquet": { "dir": "out" } }), json!([]), json!({}));
    for command in ["plan", "run"] {
        let done = folder.pipeline(&[command, "config.json"]);
        assert_eq!(done.code, 1, "{}", done.stderr);
        let words = "Row with id 3: vector column `v` has 3 values, expected 4: [3.0, 3.125, 3.25]";
        assert!(done.stderr.contains(words), "{}", done.stderr);
        assert!(done.stderr.contains("0.parquet, row 3"), "{}", done.stderr);
        assert!(done.stderr.contains("table in, split 0, "), "{}", done.stderr);
        assert!(done.stderr.contains("`on_bad_row: reject` below `run`"), "{}", done.stderr);
        assert!(!folder.path("out").exists());
    }
}

#[test]
fn a_server_is_sent_no_row_of_a_batch_with_a_bad_one() {
    for server in [Server::milvus(), Server::lite()] {
        let collection = server.collection("bad_fail");
        let folder = folder(into(&server, &collection), json!([]), json!({ "parallelism": 1 }));
        // Of the bad rows only one with NaN is left.
        fs::remove_dir_all(folder.path("in")).unwrap();
        fs::create_dir(folder.path("in")).unwrap();
        let good = (0..200).filter(|n| n % 89 != 3 && *n != 5);
        write_parquet(&folder.path("in/0.parquet"), &rows(good), 50);
        let done = folder.run(&["config.json"]);
        assert_eq!(done.code, 1, "{}", done.stderr);
        let words = "Row with id 102: value 2 of v is NaN";
        assert!(done.stderr.contains(words), "{}", done.stderr);
        assert!(done.stderr.contains("table in, split 0, row 99"), "{}", done.stderr);
        assert_eq!(done.report["tables"][0]["rows_written"], 0);
        assert_eq!(done.report["tables"][0]["rows_rejected"], 0);
        assert!(!folder.path("rejects").exists());
    }
}

/// What has moved stays, and the bad row is put aside when it comes again.
#[test]
fn a_run_that_a_bad_row_stopped_goes_on_and_puts_it_aside() {
    let server = Server::lite();
    let collection = server.collection("bad_go_on");
    let run =
        |on_bad_row: &str| json!({ "parallelism": 1, "batch_rows": 20, "on_bad_row": on_bad_row });
    let folder = folder(into(&server, &collection), json!([]), run("fail"));
    fs::remove_dir_all(folder.path("in")).unwrap();
    fs::create_dir(folder.path("in")).unwrap();
    // Bad are 102, 199 and 296.
    let numbers = (0..300).filter(|n| n % 89 != 3 && *n != 5);
    write_parquet(&folder.path("in/0.parquet"), &rows(numbers), 50);
    let done = folder.run(&["config.json"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    let moved = done.report["tables"][0]["rows_written"].as_u64().unwrap();
    assert!(moved > 0, "{}", done.report);
    configure(&folder, into(&server, &collection), json!([]), run("reject"));
    let done = folder.run(&["config.json", "--verify", "content"]);
    assert_eq!(done.code, 4, "{}", done.stderr);
    let table = &done.report["tables"][0];
    assert_eq!((&table["rows_resumed"], &table["rows_rejected"]), (&moved.into(), &3.into()));
    assert_eq!(rejects(&folder).len(), 3);
}
