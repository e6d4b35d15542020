//! What comes out of each directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use serde_json::json;

use crate::common::read::{Way, read_table};
use crate::support::{WITH_SQLITE, copy_of, folder, parts, rows_of, source};

#[tokio::test(flavor = "multi_thread")]
async fn every_directory_gives_exactly_the_rows_that_a_client_saw() {
    for name in WITH_SQLITE {
        let source = source(&folder(name).join("data"), json!({}));
        let tables = source.tables().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let parts = parts(name);
        assert_eq!(tables.len(), parts.len(), "{name}");
        for part in &parts {
            let table = tables.iter().find(|table| table.name == part.table());
            let table = table.unwrap_or_else(|| panic!("{name} has no table {}", part.table()));
            assert_eq!(table.collection, part.collection);
            let several = parts.iter().filter(|p| p.collection == part.collection).count() > 1;
            let tag = several.then(|| part.partition.clone());
            assert_eq!(table.partition, tag);
            assert_eq!(table.metric.unwrap().name(), part.metric, "{name} {}", part.table());
            assert_eq!((table.rows as usize, table.schema.column().dim), (part.rows, part.dim));
            let small = Way { batch_rows: 37, ..Way::PLAIN };
            let plain = read_table(&*source, table, 1, &Way::PLAIN.context()).await.unwrap();
            assert!(rows_of(&plain) == part.truth(name), "{name} {}", part.table());
            for (parallelism, way) in [(8, Way::PLAIN), (8, small)] {
                let rows = read_table(&*source, table, parallelism, &way.context()).await.unwrap();
                assert!(rows == plain, "{name} {}", part.table());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_and_partitions_can_be_chosen_and_renamed() {
    let path = folder("A_float_l2").join("data");
    let choose = json!({ "collections": { "float_l2": ["p1", "_default"], "float_multi": null } });
    let tables = source(&path, choose).tables().await.unwrap();
    let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["float_l2", "float_l2/p1", "float_multi"]);
    let rename = json!({ "rename": { "float_l2": "other", "float_l2/p1": "first" } });
    let tables = source(&path, rename).tables().await.unwrap();
    let p1 = tables.iter().find(|table| table.name == "float_l2/p1").unwrap();
    assert_eq!((p1.collection.as_str(), p1.partition.as_deref()), ("other", Some("first")));

    let error = source(&path, json!({ "collections": { "nope": null } })).tables().await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("There is no collection `nope`"), "{error}");
    assert!(error.contains("there are `float_l2`, `float_multi`"), "{error}");
    let error = source(&path, json!({ "collections": { "float_l2": ["p9"] } })).tables().await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("has no partition `p9`") && error.contains("`p2`"), "{error}");
}

#[tokio::test]
async fn rows_that_only_the_log_holds_are_told() {
    let tables = source(&folder("G_wal_unflushed").join("data"), json!({})).tables().await.unwrap();
    let told: Vec<_> = tables.iter().flat_map(|table| &table.warnings).collect();
    assert!(told.iter().all(|warning| warning.starts_with("NOT MOVED")), "{told:?}");
    let inserted: u64 = told.iter().map(|warning| first_number(warning)).sum();
    assert_eq!(inserted, 350, "{told:?}");
    for name in WITH_SQLITE.iter().filter(|name| **name != "G_wal_unflushed") {
        for table in source(&folder(name).join("data"), json!({})).tables().await.unwrap() {
            assert!(table.warnings.is_empty(), "{name}: {:?}", table.warnings);
        }
    }
}

fn first_number(text: &str) -> u64 {
    let digits: String =
        text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Names, sizes and times of everything in a folder.
fn state(folder: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let facts = path.metadata().unwrap();
        all.insert(path.display().to_string(), (facts.len(), facts.modified().unwrap()));
        if path.is_dir() {
            all.extend(state(&path));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_the_directory_changes() {
    let copy = copy_of("E_compact_dup");
    let before = state(copy.path());
    let source = source(copy.path(), json!({}));
    for table in source.tables().await.unwrap() {
        read_table(&*source, &table, 2, &Way::PLAIN.context()).await.unwrap();
    }
    assert_eq!(state(copy.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_in_further_folders_are_found() {
    let (copy, other) = (copy_of("C_binary"), tempfile::tempdir().unwrap());
    let from = copy.path().join("db/tables");
    let to = other.path().join("tables");
    std::fs::rename(&from, &to).unwrap();
    let error = source(copy.path(), json!({})).tables().await.unwrap_err().to_string();
    assert!(error.contains("The folder of segment") && error.contains("extra_paths"), "{error}");
    let source = source(copy.path(), json!({ "extra_paths": [other.path()] }));
    let tables = source.tables().await.unwrap();
    let rows: u64 = tables.iter().map(|table| table.rows).sum();
    assert_eq!(rows as usize, parts("C_binary").iter().map(|part| part.rows).sum::<usize>());
}
