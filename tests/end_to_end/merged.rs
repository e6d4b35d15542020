//! Collections and partitions of a data directory, merged into one collection of Milvus 2.3.5.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::common::rows::id_pairs;
use crate::milvus1_cases::{Row, folder, in_source_order};
use crate::support::{Collection, Done, Folder, Server, Truth};

/// Two collections, one of them with partitions, whose ids clash.
const DIRECTORY: &str = "F_crash_indexing";

fn run(
    folder_: &Folder,
    server: &Server,
    to: &Collection<'_>,
    transforms: Value,
    flags: &[&str],
) -> Done {
    let config = json!({
        "version": 1,
        "source": { "milvus1": { "path": folder(DIRECTORY).join("data") } },
        "transforms": transforms,
        "sink": { "milvus": { "uri": server.uri, "collection": to.name, "partition": "" } },
    });
    folder_.write("merge.json", &config.to_string());
    folder_.run(&[&["merge.json"], flags].concat())
}

/// Tables and rows in source order.
fn tables() -> Vec<(String, Vec<Row>)> {
    let tables = in_source_order(DIRECTORY);
    assert!(tables.len() > 3);
    tables
}

fn written(done: &Done) -> u64 {
    assert_eq!(done.code, 0, "{}", done.stderr);
    let tables = done.report["tables"].as_array().unwrap();
    tables.iter().map(|table| table["rows_written"].as_u64().unwrap()).sum()
}

#[test]
fn ids_that_clash_stop_the_run_before_the_first_write() {
    let (server, folder) = (Server::milvus(), Folder::new());
    let collection = server.collection("clash");
    let done = run(&folder, &server, &collection, json!([]), &["--parallelism", "8"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    let mut tables_of = BTreeMap::<i64, u32>::new();
    for (id, _) in tables().iter().flat_map(|(_, rows)| rows) {
        *tables_of.entry(*id).or_default() += 1;
    }
    let clashes = tables_of.values().filter(|rows| **rows > 1).count() as u64;
    assert!(clashes > 0);
    let count = vecpipe::words::count(clashes);
    let words = format!("{count} ids occur more than once in the tables that are merged");
    assert!(done.stderr.contains(&words), "{}", done.stderr);
    for help in ["dedupe", "remap: { strategy: sequential }"] {
        assert!(done.stderr.contains(help), "{}", done.stderr);
    }
    assert_eq!(collection.partitions(), Value::Null, "something was made");
}

#[test]
fn remap_numbers_all_rows_and_notes_which_is_which() {
    let server = Server::milvus();
    let (mut expected, mut pairs) = (Vec::new(), Vec::new());
    for (table, rows) in tables() {
        for (old, vector) in rows {
            let new = expected.len() as i64;
            pairs.push((old.to_string(), new, table.clone()));
            expected.push((new, vector));
        }
    }
    pairs.sort();
    let runs: Vec<_> = ["1", "8"]
        .iter()
        .map(|parallelism| {
            let (folder, collection) = (Folder::new(), server.collection("remap"));
            let remap = json!([{ "remap": { "strategy": "sequential" } }]);
            let done = run(&folder, &server, &collection, remap, &["--parallelism", parallelism]);
            assert_eq!(written(&done), expected.len() as u64);
            (folder, collection)
        })
        .collect();
    server.load(runs.iter().map(|(_, collection)| collection));
    for (folder, collection) in runs {
        collection.holds_parts(&[Truth::of_rows(folder.path("truth"), &expected)]);
        assert!(id_pairs(&folder.path("remap.parquet")) == pairs, "the file of ids differs");
    }
}

#[test]
fn dedupe_keeps_the_first_or_last_in_source_order() {
    let server = Server::milvus();
    let mut runs = Vec::new();
    for keep in ["first", "last"] {
        let mut expected: Vec<Row> = tables().into_iter().flat_map(|(_, rows)| rows).collect();
        if keep == "last" {
            expected.reverse();
        }
        let mut seen = BTreeSet::new();
        expected.retain(|(id, _)| seen.insert(*id));
        for parallelism in ["1", "8"] {
            let (folder, collection) = (Folder::new(), server.collection("dedupe"));
            let dedupe = json!([{ "dedupe": { "keep": keep } }]);
            let done = run(&folder, &server, &collection, dedupe, &["--parallelism", parallelism]);
            assert_eq!(written(&done), expected.len() as u64);
            let truth = Truth::of_rows(folder.path("truth"), &expected);
            runs.push((folder, collection, truth));
        }
    }
    server.load(runs.iter().map(|(_, collection, _)| collection));
    for (_folder, collection, truth) in runs {
        collection.holds_parts(&[truth]);
    }
}

#[test]
fn tables_that_differ_in_dimension_or_metric_are_no_plan() {
    let server = Server::milvus();
    let collection = server.collection("unlike");
    for (directory, chosen, words) in [
        ("A_float_l2", json!({ "float_l2": ["p1"], "float_multi": null }), "16 and 128 dimensions"),
        (
            "C_binary",
            json!({ "bin_hamming": ["b1"], "bin_indexed": null }),
            "the metric HAMMING and the metric TANIMOTO",
        ),
    ] {
        let place = Folder::new();
        let path = folder(directory).join("data");
        let config = json!({
            "version": 1,
            "source": { "milvus1": { "path": path, "collections": chosen } },
            "transforms": [{ "dedupe": {} }],
            "sink": { "milvus": { "uri": server.uri, "collection": collection.name, "partition": "" } },
        });
        place.write("merge.json", &config.to_string());
        let (plan, run) = (place.pipeline(&["plan", "merge.json"]), place.run(&["merge.json"]));
        for done in [plan, run] {
            assert_eq!(done.code, 2, "{}", done.stderr);
            assert!(done.stderr.contains("go to one target, but"), "{}", done.stderr);
            assert!(done.stderr.contains(words), "{}", done.stderr);
        }
        assert_eq!(collection.partitions(), Value::Null, "something was made");
    }
}
