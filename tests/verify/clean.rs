//! What was moved well compares as the same, on every path, and with one checksum everywhere.

use serde_json::{Value, json};

use crate::support::*;

/// Moves to all kinds of targets with 1 and 8 workers; gives the checksums of the source.
fn everywhere(source: &Value, names: &[&str]) -> Vec<Value> {
    let (milvus, lite) = (Server::milvus(), Server::lite());
    let (one, two) = (milvus.collection("verify"), lite.collection("verify"));
    let mut sums = Vec::new();
    for name in names {
        let sink = match *name {
            "milvus" => json!({ "milvus": { "uri": milvus.uri, "collection": one.name } }),
            "lite" => json!({ "milvus": { "uri": lite.uri, "collection": two.name } }),
            kind => json!({ kind: {} }),
        };
        let all = Move::new(source.clone(), json!([]), sink);
        let done = all.run(&["--parallelism", "8"]);
        let target = all.is_same(&["--parallelism", "1"]);
        assert_eq!(target["checksum_of_source"], done.report["tables"][0]["checksum"]);
        assert_eq!(target["rows_in_source"], target["rows_in_target"]);
        assert_eq!(all.is_same(&["--parallelism", "8", "--memory", "2MiB"]), target);
        sums.push(target["checksum_of_source"].clone());
    }
    sums
}

#[test]
fn parquet_moves_everywhere_with_one_checksum() {
    for name in ["plain.parquet", "scalars.parquet"] {
        let sums = everywhere(&source(name), &["milvus", "lite", "parquet", "hdf5"]);
        assert!(sums.iter().all(|sum| *sum == sums[0]), "{name}: {sums:?}");
    }
}

#[test]
fn texts_as_ids() {
    let sums = everywhere(&source("texts.parquet"), &["milvus", "lite", "parquet"]);
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
}

#[test]
fn hdf5_and_faiss_and_old_directories() {
    let faiss = repository("tests/faiss/fixtures/1.7.4/idmap_flat.index");
    let bits = repository("tests/faiss/fixtures/1.7.4/bin_idmap_flat.index");
    let sources = [
        source("one.h5"),
        json!({ "faiss": { "paths": [faiss] } }),
        json!({ "faiss": { "paths": [bits] } }),
    ];
    for source in sources {
        everywhere(&source, &["milvus", "parquet"]);
    }
    let old = repository("tests/milvus1/fixtures/A_float_l2/data");
    let milvus = Server::milvus();
    let target = milvus.collection("verify");
    // Collections and partitions of their own names would be left behind.
    let source = json!({ "milvus1": { "path": old } });
    let inspected = Move::new(source.clone(), json!([]), json!({ "parquet": {} }));
    let done = inspected.run(&[]);
    assert!(done.report["tables"].as_array().unwrap().len() > 1);
    assert_eq!(inspected.verify(&[]).code, 0);
    let table = done.report["tables"][0]["source"].as_str().unwrap();
    let (collection, _) = table.split_once('/').unwrap_or((table, ""));
    let source = json!({ "milvus1": { "path": old, "collections": { collection: null } } });
    let sink = json!({ "milvus": { "uri": milvus.uri, "collection": target.name } });
    let moved = Move::new(source, json!([]), sink);
    moved.run(&[]);
    assert_eq!(moved.verify(&[]).code, 0);
}

#[test]
fn the_null_sink_has_nothing_to_compare() {
    let moved = Move::new(source("plain.parquet"), json!([]), json!({ "null": {} }));
    let done = moved.folder.run(&["config.json", "--verify", "content"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.report["tables"][0]["verified"], "count");
    assert!(done.stdout.contains("nothing to compare: the null sink keeps no rows"));
    let done = moved.verify(&[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("nothing to compare: the null sink keeps no rows"));
}

#[test]
fn transforms_are_accounted_for() {
    let milvus = Server::milvus();
    let target = milvus.collection("verify");
    let transforms = json!([
        { "dedupe": { "keep": "last" } },
        { "remap": { "strategy": "sequential", "first": -50 } },
        { "rename": { "vector": "v" } },
        { "cast": { "v": "float16" } },
    ]);
    for sink in [
        json!({ "milvus": { "uri": milvus.uri, "collection": target.name } }),
        json!({ "parquet": {} }),
    ] {
        let moved = Move::new(source("twice.parquet"), transforms.clone(), sink);
        moved.run(&["--parallelism", "4"]);
        let remapped = std::fs::read(moved.folder.path("remap.parquet")).unwrap();
        let same = moved.is_same(&[]);
        assert_eq!((&same["rows_in_source"], &same["rows_in_target"]), (&json!(180), &json!(180)));
        // What the run wrote beside the table is as it was.
        assert_eq!(std::fs::read(moved.folder.path("remap.parquet")).unwrap(), remapped);
        let there = std::fs::read_dir(moved.folder.path(".")).unwrap();
        let remaps = there.filter(|file| {
            let name = file.as_ref().unwrap().file_name();
            name.to_str().unwrap().contains("remap")
        });
        assert_eq!(remaps.count(), 1, "nothing else");
    }
}

#[test]
fn tables_that_are_merged_and_partitions() {
    let milvus = Server::milvus();
    let target = milvus.collection("verify");
    let both = json!({ "parquet": { "paths": ["staged"] } });
    let staging = Folder::new();
    for (name, table) in [("one.h5", "one"), ("two.h5", "two")] {
        let config = json!({
            "version": 1,
            "source": source(name),
            "sink": { "parquet": { "dir": staging.path("staged").join(table) } },
        });
        staging.write("stage.json", &config.to_string());
        assert_eq!(staging.run(&["stage.json"]).code, 0);
    }
    let mut source = both;
    source["parquet"]["paths"] = json!([staging.path("staged")]);
    let milvus_sink = |partition: &str| json!({ "milvus": { "uri": milvus.uri, "collection": target.name, "partition": partition, "on_conflict": "insert" } });
    let moved = Move::new(source, json!([]), milvus_sink("p1"));
    let done = moved.run(&["--parallelism", "4"]);
    assert_eq!(done.report["tables"].as_array().unwrap().len(), 2);
    assert_eq!(moved.is_same(&[])["rows_in_target"], 1200);
    // Rows of another partition, some with the same ids, are not looked at.
    let other = Move::new(crate::support::source("one.h5"), json!([]), milvus_sink("p2"));
    other.run(&[]);
    assert_eq!(moved.is_same(&[])["rows_in_target"], 1200);
    assert_eq!(other.is_same(&[])["rows_in_target"], 700);
    other.damage("drop", 5);
    other.differs(&[], &["id 5: missing"]);
    moved.is_same(&[]);
}
