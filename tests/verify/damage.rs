//! A bit, a row less, a row twice, a row that nobody moved: at every kind of target it is found, and
//! named.

use serde_json::{Value, json};

use crate::support::*;

/// Damages a target piece by piece, and compares after each.
fn damage_all(moved: &Move, doubles: bool) {
    moved.run(&["--parallelism", "8"]);
    let clean = moved.is_same(&[]);
    let mut found: Vec<&str> = Vec::new();
    let mut sums: Vec<Value> = vec![clean["checksum_of_source"].clone()];
    let steps = [
        ("flip", json!(7), "id 7: changed: vector[5] is "),
        ("drop", json!(-3), "id -3: missing: the source has it, the target does not"),
        ("double", json!(20), "id 20: doubled: 2 times in the target, 1 in the source"),
        ("add", json!(999_999), "id 999999: extra: the target has it, the source does not"),
    ];
    for (n, (what, id, line)) in steps.into_iter().enumerate() {
        if what == "double" && !doubles {
            continue;
        }
        moved.damage(what, id);
        found.push(line);
        let workers = if n % 2 == 0 { "1" } else { "8" };
        let target = moved.differs(&["--parallelism", workers], &found);
        assert_eq!(target["checksum_of_source"], sums[0]);
        // Of rows that are extra on a server, only the number counts.
        if what != "add" {
            assert!(!sums.contains(&target["checksum_of_target"]), "{what}");
        }
        sums.push(target["checksum_of_target"].clone());
    }
}

#[test]
fn at_milvus() {
    let server = Server::milvus();
    let target = server.collection("verify");
    let sink = json!({ "milvus": { "uri": server.uri, "collection": target.name } });
    damage_all(&Move::new(source("plain.parquet"), json!([]), sink), true);
}

#[test]
fn at_milvus_lite() {
    let server = Server::lite();
    let target = server.collection("verify");
    let sink = json!({ "milvus": { "uri": server.uri, "collection": target.name } });
    // It keeps one row of each id.
    damage_all(&Move::new(source("plain.parquet"), json!([]), sink), false);
}

#[test]
fn at_parquet_files() {
    damage_all(&Move::new(source("plain.parquet"), json!([]), json!({ "parquet": {} })), true);
}

#[test]
fn at_hdf5_files() {
    damage_all(&Move::new(source("plain.parquet"), json!([]), json!({ "hdf5": {} })), true);
}

#[test]
fn a_text_that_changed_is_shown() {
    let server = Server::milvus();
    let target = server.collection("verify");
    let sinks = [
        json!({ "milvus": { "uri": server.uri, "collection": target.name } }),
        json!({ "parquet": {} }),
        json!({ "hdf5": {} }),
    ];
    for sink in sinks {
        let moved = Move::new(source("scalars.parquet"), json!([]), sink);
        moved.run(&[]);
        moved.damage("text", 3);
        moved.differs(&[], &["id 3: changed: text is \"text “"]);
    }
}

#[test]
fn texts_as_ids_are_named() {
    let server = Server::milvus();
    let target = server.collection("verify");
    let sinks = [
        json!({ "milvus": { "uri": server.uri, "collection": target.name } }),
        json!({ "parquet": {} }),
    ];
    for sink in sinks {
        let moved = Move::new(source("texts.parquet"), json!([]), sink);
        moved.run(&[]);
        moved.damage("drop", "quo\"te1");
        moved.damage("flip", "back\\slash3");
        moved.damage("add", "new \"one\"");
        moved.differs(
            &[],
            &[
                "id \"quo\\\"te1\": missing",
                "id \"back\\\\slash3\": changed: vector[5] is ",
                "id \"new \\\"one\\\"\": extra",
            ],
        );
    }
}

#[test]
fn many_differences_are_counted_and_some_are_named() {
    let moved = Move::new(source("one.h5"), json!([]), json!({ "parquet": {} }));
    moved.run(&[]);
    // Another table under the same name: 700 rows are missing, 500 are extra.
    let other = Move::new(source("two.h5"), json!([]), json!({ "parquet": {} }));
    other.run(&[]);
    let (from, to) = (other.folder.path("out/two"), moved.folder.path("out/one"));
    std::fs::remove_dir_all(&to).unwrap();
    std::fs::rename(from, to).unwrap();
    let done = moved.verify(&[]);
    assert_eq!(done.code, 5, "{}", done.stderr);
    let differences = &done.report["targets"][0]["differences"];
    assert_eq!(differences["missing"], 700);
    assert_eq!(differences["extra"], 500);
    assert_eq!(differences["ids"].as_array().unwrap().len(), 20);
    assert!(done.stdout.contains("700 rows are missing, 500 rows are extra"), "{}", done.stdout);
    assert!(done.stdout.contains("\n  and more\n"), "{}", done.stdout);
}

#[test]
fn a_run_that_finds_a_difference_ends_with_5_and_names_it() {
    let server = Server::lite();
    let target = server.collection("verify");
    // Milvus Lite keeps the row that was there, under the same id and with the same count.
    let sink = json!({ "milvus": { "uri": server.uri, "collection": target.name } });
    let moved = Move::new(source("plain.parquet"), json!([]), sink);
    moved.run(&[]);
    moved.damage("flip", 7);
    let mut again = json!({ "version": 1, "source": source("plain.parquet"), "transforms": [] });
    again["sink"] = json!({ "milvus": { "uri": server.uri, "collection": target.name, "on_conflict": "skip" } });
    moved.folder.write("again.json", &again.to_string());
    let done = moved.folder.run(&["again.json", "--verify", "content"]);
    // That row was there before: it may differ, and is told.
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("1 row with other values than in the source"), "{}", done.stdout);
}
