//! What comes out of each directory.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;
use vecpipe::table::Part;

use crate::common::read::{Way, read_table};
use crate::support::{WITH_SQLITE, copy_of, folder, parts, rows_of, source, state};

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
            assert_eq!(table.part, tag.map_or(Part::Whole, Part::OfWhole));
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
    assert_eq!((p1.collection.as_str(), p1.part.partition()), ("other", Some("first")));

    let error = source(&path, json!({ "collections": { "nope": null } })).tables().await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("There is no collection `nope`"), "{error}");
    assert!(error.contains("known here: float_l2, float_multi"), "{error}");
    let error = source(&path, json!({ "collections": { "float_l2": ["p9"] } })).tables().await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("has no partition `p9`") && error.contains("p1, p2"), "{error}");
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
    fs::rename(&from, &to).unwrap();
    let error = source(copy.path(), json!({})).tables().await.unwrap_err().to_string();
    assert!(error.contains("The folder of segment") && error.contains("extra_paths"), "{error}");
    let source = source(copy.path(), json!({ "extra_paths": [other.path()] }));
    let tables = source.tables().await.unwrap();
    let rows: u64 = tables.iter().map(|table| table.rows).sum();
    assert_eq!(rows as usize, parts("C_binary").iter().map(|part| part.rows).sum::<usize>());
}

/// Tables that grew were moved to other disks.
#[tokio::test(flavor = "multi_thread")]
async fn symbolic_links_are_followed() {
    let (copy, elsewhere) = (copy_of("A_float_l2"), tempfile::tempdir().unwrap());
    let tables = copy.path().join("db/tables");
    let moved = |from: &std::path::Path, name: &str| {
        let to = elsewhere.path().join(name);
        fs::rename(from, &to).unwrap();
        symlink(to, from).unwrap();
    };
    for (n, table) in fs::read_dir(&tables).unwrap().map(Result::unwrap).enumerate() {
        // Each file of each segment, each segment, the table.
        for (s, segment) in fs::read_dir(table.path()).unwrap().map(Result::unwrap).enumerate() {
            for (f, file) in fs::read_dir(segment.path()).unwrap().map(Result::unwrap).enumerate() {
                moved(&file.path(), &format!("{n}-{s}-{f}"));
            }
            moved(&segment.path(), &format!("{n}-{s}"));
        }
        moved(&table.path(), &n.to_string());
    }
    let link = elsewhere.path().join("milvus");
    symlink(copy.path(), &link).unwrap();
    let linked = source(&link, json!({}));
    for table in linked.tables().await.unwrap() {
        let part = parts("A_float_l2").into_iter().find(|part| part.table() == table.name).unwrap();
        let rows = read_table(&*linked, &table, 2, &Way::PLAIN.context()).await.unwrap();
        assert!(rows_of(&rows) == part.truth("A_float_l2"), "{}", table.name);
    }
    // The other disk is not there.
    drop(elsewhere);
    let error = source(copy.path(), json!({})).tables().await.unwrap_err().to_string();
    assert!(error.contains("The folder of segment") && error.contains("is missing"), "{error}");
}

#[tokio::test]
async fn the_default_partition_can_be_renamed_too() {
    let rename = json!({ "float_l2/_default": "rest", "float_multi/_default": "all" });
    let path = folder("A_float_l2").join("data");
    let tables = source(&path, json!({ "rename": rename })).tables().await.unwrap();
    let partition_of =
        |name: &str| tables.iter().find(|table| table.name == name).unwrap().part.partition();
    assert_eq!(partition_of("float_l2"), Some("rest"));
    assert_eq!(partition_of("float_l2/p1"), Some("p1"));
    assert_eq!(partition_of("float_multi"), Some("all"));
}
