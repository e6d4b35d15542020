//! What a comparison knows of a target: from the journal of the run, from the configuration, or not.

use std::fs;

use serde_json::json;

use crate::support::*;

#[test]
fn without_a_target_all_is_missing() {
    let server = Server::milvus();
    let target = server.collection("verify");
    let sinks = [
        json!({ "milvus": { "uri": server.uri, "collection": target.name } }),
        json!({ "parquet": {} }),
        json!({ "hdf5": {} }),
    ];
    for sink in sinks {
        let done = Move::new(source("one.h5"), json!([]), sink).verify(&[]);
        assert_eq!(done.code, 5, "{}{}", done.stdout, done.stderr);
        assert!(done.stdout.contains("no target"), "{}", done.stdout);
        assert!(done.stderr.contains("does not exist"), "{}", done.stderr);
    }
}

#[test]
fn a_collection_without_an_index_says_so() {
    let server = Server::milvus();
    let target = server.collection("verify");
    let sink =
        json!({ "milvus": { "uri": server.uri, "collection": target.name, "index": "none" } });
    let moved = Move::new(source("one.h5"), json!([]), sink);
    let done = moved.folder.run(&["config.json", "--verify", "content"]);
    assert_eq!(done.code, 1, "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("has no index, so Milvus does not load it"), "{}", done.stderr);
    assert!(done.stderr.contains("--verify count"), "{}", done.stderr);
    assert_eq!(done.report["tables"][0]["verified"], "count");
}

#[test]
fn rows_that_were_there_before_are_left_out_of_it() {
    let server = Server::milvus();
    let target = server.collection("verify");
    let milvus = json!({ "uri": server.uri, "collection": target.name });
    let sinks = [
        json!({ "milvus": milvus }),
        json!({ "parquet": { "mode": "append" } }),
        json!({ "hdf5": { "mode": "append" } }),
    ];
    for sink in sinks {
        let moved = Move::new(source("one.h5"), json!([]), sink.clone());
        moved.run(&[]);
        let kind = sink.as_object().unwrap().keys().next().unwrap().clone();
        let mut config: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(moved.folder.path("config.json")).unwrap())
                .unwrap();
        config["source"] = source("two.h5");
        // The same target for both.
        if kind != "milvus" {
            let one = file("one.h5");
            fs::copy(file("two.h5"), moved.folder.path("one.h5")).unwrap();
            assert!(one.exists());
            config["source"]["hdf5"]["paths"] = json!([moved.folder.path("one.h5")]);
        }
        moved.folder.write("config.json", &config.to_string());
        let done = moved.run(&["--parallelism", "4"]);
        assert_eq!(done.report["tables"][0]["decision"], "appended", "{kind}");
        let same = moved.is_same(&[]);
        assert_eq!((&same["rows_in_target"], &same["other_rows"]), (&json!(500), &json!(700)));
        // Damage among the new rows is found; among the old ones it is nobody's business here.
        if kind == "milvus" {
            moved.damage("flip", 5);
            moved.damage("double", 10_003);
            moved.differs(&[], &["id 10003: doubled"]);
        } else {
            // Which rows are new is the journal's knowledge.
            fs::remove_dir_all(moved.folder.path(".pipeline")).unwrap();
            let done = moved.verify(&[]);
            assert_eq!(done.code, 2, "{}{}", done.stdout, done.stderr);
            assert!(done.stderr.contains("known to the journal of the run alone"));
        }
    }
}

#[test]
fn without_a_journal_other_rows_of_a_collection_are_told_and_no_failure() {
    let server = Server::milvus();
    let target = server.collection("verify");
    let sink = json!({ "milvus": { "uri": server.uri, "collection": target.name } });
    let moved = Move::new(source("one.h5"), json!([]), sink);
    moved.run(&[]);
    moved.damage("add", 77_777);
    moved.differs(&[], &["id 77777: extra"]);
    fs::remove_dir_all(moved.folder.path(".pipeline")).unwrap();
    let same = moved.is_same(&[]);
    assert_eq!((&same["rows_in_target"], &same["other_rows"]), (&json!(700), &json!(1)));
    // With mode: overwrite the target is to hold what the source holds.
    let done = moved.verify(&["--set", "sink.milvus.mode=overwrite"]);
    assert_eq!(done.code, 5, "{}", done.stderr);
    assert!(done.stdout.contains("id 77777: extra"), "{}", done.stdout);
}

/// The journal was passed over when the source had changed, so that nobody knew what the target held before;
/// and the checksum of a target with rows too many was that of the others.
#[test]
fn rows_that_the_source_lost_since_the_run_are_extra() {
    let (milvus, lite) = (Server::milvus(), Server::lite());
    let targets = [milvus.collection("verify_lost"), lite.collection("verify_lost")];
    let at = |uri: &str, name: &str| json!({ "milvus": { "uri": uri, "collection": name } });
    let sinks = [
        at(&milvus.uri, &targets[0].name),
        at(&lite.uri, &targets[1].name),
        json!({ "parquet": {} }),
        json!({ "hdf5": {} }),
    ];
    for sink in sinks {
        let moved = Move::new(source("plain.parquet"), json!([]), sink.clone());
        let own = moved.folder.path("source.parquet");
        fs::copy(file("plain.parquet"), &own).unwrap();
        let text = fs::read_to_string(moved.folder.path("config.json")).unwrap();
        let text = text.replace(file("plain.parquet").to_str().unwrap(), own.to_str().unwrap());
        moved.folder.write("config.json", &text);
        let sum = moved.run(&[]).report["tables"][0]["checksum"].clone();
        for id in [5, -20] {
            let mut command = python("tests/verify/damage.py");
            let done = command.arg("parquet").arg(&own).arg("drop").arg(id.to_string()).output();
            assert!(done.unwrap().status.success());
        }
        let target = moved.differs(&[], &["id 5: extra", "id -20: extra"]);
        assert_eq!(
            (&target["rows_in_source"], &target["rows_in_target"]),
            (&json!(2998), &json!(3000))
        );
        assert_eq!(target["checksum_of_target"], sum, "{sink}");
        assert_ne!(target["checksum_of_source"], sum);
    }
}

#[test]
fn a_comparison_changes_nothing() {
    let moved = Move::new(source("plain.parquet"), json!([]), json!({ "parquet": {} }));
    moved.run(&[]);
    // These two the tests themselves look after.
    fs::remove_file(moved.folder.path("report.json")).unwrap();
    let before = snapshot(&moved.folder.path("."));
    moved.is_same(&[]);
    fs::remove_file(moved.folder.path("verify.json")).unwrap();
    assert!(snapshot(&moved.folder.path(".")) == before, "a file changed");
}

/// Every file below a folder, with its content; but for the journal, which SQLite keeps in order.
fn snapshot(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with(".pipeline") => {}
            true => all.extend(snapshot(&path)),
            false => all.push((path.clone(), fs::read(path).unwrap())),
        }
    }
    all.sort();
    all
}
