//! `on_bad_row: reject`: the good rows move, and the others are in files of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::common::rows::write_parquet;
use crate::support::{
    Bad, FILES, ROWS, assert_rejected, bad, bad_for_files, count, files, folder, ids_in, into, rows,
};
use crate::work::{Done, Folder, Server};

fn rejecting() -> Value {
    json!({ "on_bad_row": "reject", "batch_rows": 70 })
}

/// Asserts that a run rejected just what `bad` tells of, and says so.
#[track_caller]
fn assert_done(folder: &Folder, done: &Done, bad: impl Fn(u64) -> Option<Bad> + Copy) {
    assert_eq!(done.code, 4, "{}{}", done.stdout, done.stderr);
    assert_eq!(
        (&done.report["status"], &done.report["exit_code"]),
        (&"succeeded".into(), &4.into())
    );
    let (table, rejected) = (&done.report["tables"][0], count(bad));
    let good = FILES * ROWS - rejected;
    for (field, rows) in [
        ("rows_read", FILES * ROWS),
        ("rows_rejected", rejected),
        ("rows_written", good),
        ("target_rows_after", good),
    ] {
        assert_eq!(table[field], rows, "{field}: {table}");
    }
    let first = &table["rejected_sample"][0];
    assert_eq!((&first["split"], &first["row"], &first["id"]), (&0.into(), &3.into(), &"3".into()));
    assert_eq!(table["rejected_sample"].as_array().unwrap().len(), 5);
    let place = table["rejects"].as_str().unwrap();
    assert!(place.starts_with("rejects/in/"), "{place}");
    let words = [
        format!("in: {rejected} rows rejected, in {place}\n  split 0, row 3, id 3: vector column"),
        format!("Done, but {rejected} rows rejected: "),
    ];
    words.iter().for_each(|words| assert!(done.stdout.contains(words), "{}", done.stdout));
    assert_rejected(folder, bad);
}

#[test]
fn files_get_what_their_columns_can_hold_at_every_parallelism() {
    for (sink, parallelism) in [("parquet", "1"), ("parquet", "5"), ("hdf5", "3")] {
        let folder = folder(json!({ sink: { "dir": "out" } }), json!([]), rejecting());
        let page = ["--report-html", "page.html", "--verify", "content"];
        let arguments = ["config.json", "--parallelism", parallelism];
        let done = folder.run(&[&arguments[..], &page].concat());
        assert_done(&folder, &done, bad_for_files);
        assert_eq!(done.report["tables"][0]["verified"], "content");
        if sink == "parquet" {
            let good = (0..FILES * ROWS).filter(|n| bad_for_files(*n).is_none());
            assert_eq!(ids_in(&folder.path("out")), good.map(|n| n as i64).collect::<Vec<_>>());
            let page = fs::read_to_string(folder.path("page.html")).unwrap();
            assert!(page.contains("Succeeded, but rows were rejected"), "{page}");
            assert!(page.contains("<li>split 0, row 3, id 3: vector column `v` has 3 values"));
        }
        let verified = folder.pipeline(&["verify", "config.json"]);
        assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
        let words = format!("{} rows left out, which the run rejects", count(bad_for_files));
        assert!(verified.stdout.contains(&words), "{}", verified.stdout);
    }
}

#[test]
fn servers_get_no_nan_and_no_long_text() {
    for server in [Server::milvus(), Server::lite()] {
        let collection = server.collection("bad_reject");
        let folder = folder(into(&server, &collection), json!([]), rejecting());
        let done = folder.run(&["config.json", "--verify", "content"]);
        assert_done(&folder, &done, bad);
        assert_eq!(done.report["tables"][0]["verified"], "content");
        let verified = folder.pipeline(&["verify", "config.json"]);
        assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
        // Without the journal, the rules are the collection's own.
        fs::remove_dir_all(folder.path(".pipeline")).unwrap();
        let verified = folder.pipeline(&["verify", "config.json"]);
        assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    }
}

#[test]
fn rejects_of_several_runs_stay_apart_and_only_their_owner_reads_them() {
    let sink = json!({ "parquet": { "dir": "out", "mode": "append" } });
    let folder = folder(sink, json!([]), rejecting());
    let folders = || fs::read_dir(folder.path("rejects/in")).map_or(0, Iterator::count);
    for runs in 1..=3 {
        let done = folder.run(&["config.json"]);
        assert_eq!(done.code, 4, "{}", done.stderr);
        assert_eq!(folders(), runs);
    }
    for file in files(&folder.path("rejects")) {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{file:?}");
    }
}

#[test]
fn without_a_bad_row_there_is_no_folder() {
    let folder = folder(json!({ "parquet": { "dir": "out" } }), json!([]), rejecting());
    fs::remove_dir_all(folder.path("in")).unwrap();
    fs::create_dir(folder.path("in")).unwrap();
    let good = (0..500).filter(|n| bad(*n).is_none());
    write_parquet(&folder.path("in/0.parquet"), &rows(good), 50);
    let done = folder.run(&["config.json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.report["tables"][0].get("rejects").is_none());
    assert!(!folder.path("rejects").exists());
}

/// What fails later says more than that rows were rejected.
#[test]
fn an_error_wins_over_rejected_rows() {
    let folder = folder(json!({ "parquet": { "dir": "out" } }), json!([]), rejecting());
    // The last file is cut off in its rows, so that others were moved before.
    let last = folder.path(&format!("in/{}.parquet", FILES - 1));
    let mut bytes = fs::read(&last).unwrap();
    bytes[4..200].fill(0xff);
    fs::write(&last, bytes).unwrap();
    let done = folder.run(&["config.json", "--parallelism", "1"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.report["tables"][0]["rows_rejected"].as_u64().unwrap() > 0);
    assert!(done.stdout.contains("rows rejected, in rejects/in/"), "{}", done.stdout);
}
