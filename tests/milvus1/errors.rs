//! Directories that are damaged, or not what they were taken for.

use std::fs;
use std::path::{Path, PathBuf};

use futures::StreamExt;
use serde_json::json;
use vecpipe::Kind;
use vecpipe::source::Columns;

use crate::common::read::Way;
use crate::support::{copy_of, source};

/// A file with this ending, somewhere below.
fn find(folder: &Path, ending: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                return path;
            }
        }
    }
    panic!("no {ending}");
}

async fn after(harm: impl Fn(&Path)) -> String {
    let copy = copy_of("G_wal_unflushed");
    harm(copy.path());
    let error = source(copy.path(), json!({})).tables().await.expect_err("it is damaged");
    assert_eq!(error.kind(), Kind::Source, "{error}");
    error.to_string()
}

fn cut(path: &Path, by: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - by).unwrap();
}

#[tokio::test]
async fn missing_files_are_named() {
    for ending in [".rv", ".uid", "deleted_docs"] {
        let words = after(|path| fs::remove_file(find(path, ending)).unwrap()).await;
        assert!(words.contains("Cannot open the file") && words.contains(ending), "{words}");
        assert!(words.contains("table unflushed"), "{words}");
    }
    let words = after(|path| {
        let folder = find(path, ".rv").parent().unwrap().to_owned();
        fs::remove_dir_all(folder).unwrap();
    })
    .await;
    assert!(words.contains("The folder of segment") && words.contains("extra_paths"), "{words}");
}

#[tokio::test]
async fn files_that_are_cut_off_or_don_t_fit_are_named() {
    for ending in [".rv", ".uid"] {
        let words = after(|path| cut(&find(path, ending), 12)).await;
        assert!(words.contains("The file says that it holds"), "{words}");
        assert!(words.contains(ending) && words.contains("copy it again"), "{words}");
        let words = after(|path| fs::write(find(path, ending), [1, 2]).unwrap()).await;
        assert!(words.contains("The file has 2 bytes, too few for a header"), "{words}");
    }
    // One row less in one of the two, and whole.
    let words = after(|path| {
        let ids = find(path, ".uid");
        let mut bytes = fs::read(&ids).unwrap();
        bytes.truncate(bytes.len() - 8);
        let held = bytes.len() as u64 - 8;
        bytes[..8].copy_from_slice(&held.to_le_bytes());
        fs::write(ids, bytes).unwrap();
    })
    .await;
    assert!(words.contains("vectors and") && words.contains("ids"), "{words}");
    let words = after(|path| {
        let vectors = find(path, ".rv");
        let mut bytes = fs::read(&vectors).unwrap();
        bytes.push(0);
        let held = bytes.len() as u64 - 8;
        bytes[..8].copy_from_slice(&held.to_le_bytes());
        fs::write(vectors, bytes).unwrap();
    })
    .await;
    assert!(words.contains("are no whole rows of"), "{words}");
}

#[tokio::test]
async fn a_deleted_row_past_the_end_is_an_error() {
    let words = after(|path| {
        let mut bytes = 4u64.to_le_bytes().to_vec();
        bytes.extend(1_000_000u32.to_le_bytes());
        fs::write(find(path, "deleted_docs"), bytes).unwrap();
    })
    .await;
    assert!(words.contains("says that row 1000000 is deleted, but the segment has"), "{words}");
    assert!(words.contains("deleted_docs") && words.contains("table unflushed"), "{words}");
    // Half an entry.
    let words = after(|path| {
        let mut bytes = 6u64.to_le_bytes().to_vec();
        bytes.extend([0; 6]);
        fs::write(find(path, "deleted_docs"), bytes).unwrap();
    })
    .await;
    assert!(words.contains("6 bytes are no whole rows of 4 bytes"), "{words}");
}

/// A server notes a row again each time its id is deleted.
#[tokio::test]
async fn a_row_that_is_deleted_more_than_once_is_left_out_once() {
    let copy = copy_of("G_wal_unflushed");
    let mut bytes = 20u64.to_le_bytes().to_vec();
    bytes.extend([7u32, 3, 7, 7, 3].iter().flat_map(|row| row.to_le_bytes()));
    fs::write(find(copy.path(), "deleted_docs"), bytes).unwrap();
    let tables = source(copy.path(), json!({})).tables().await.unwrap();
    assert_eq!(tables.iter().map(|table| table.rows).sum::<u64>(), 498);
}

#[tokio::test]
async fn metadata_that_was_left_behind_or_is_none_is_told() {
    let words = after(|path| fs::remove_file(path.join("db/meta.sqlite-wal")).unwrap()).await;
    assert!(words.contains("its log, meta.sqlite-wal, is missing"), "{words}");
    assert!(words.contains("copy both"), "{words}");
    let words = after_sql("DELETE FROM Tables").await;
    assert!(words.contains("names no collection, but there are segments\n"), "{words}");
    assert!(words.contains("db/tables") && words.contains("set source.milvus1.meta"), "{words}");
    let words = after(|path| fs::remove_file(path.join("db/meta.sqlite")).unwrap()).await;
    assert!(words.contains("There is no SQLite metadata here"), "{words}");
    let words = after(|path| {
        fs::write(path.join("db/meta.sqlite"), "this is no database, nor ever was").unwrap();
        fs::remove_file(path.join("db/meta.sqlite-wal")).unwrap();
    })
    .await;
    assert!(
        words.contains("Cannot read the metadata") && words.contains("copy meta.sqlite"),
        "{words}"
    );
}

/// Metadata that was written in part when it was copied, without its log.
#[tokio::test]
async fn metadata_that_lacks_a_table_is_told() {
    let harm = |path: &Path, sql: &str| {
        change(path, sql);
        fs::remove_file(path.join("db/meta.sqlite-wal")).unwrap();
    };
    let words = after(|path| harm(path, "DELETE FROM Tables")).await;
    assert!(words.contains("names no collection, but there are segments"), "{words}");
    assert!(words.contains("its log, meta.sqlite-wal, is missing"), "{words}");
    assert!(words.contains("copy both"), "{words}");
    let words =
        after(|path| harm(path, "UPDATE Tables SET table_id = 'other' WHERE owner_table = ''"))
            .await;
    assert!(
        words.contains("does not know table unflushed, but there are segments of it"),
        "{words}"
    );
    // Whole metadata needs no log; nor is a folder that is about to go an error.
    let copy = copy_of("G_wal_unflushed");
    harm(copy.path(), "SELECT 1");
    assert_eq!(source(copy.path(), json!({})).tables().await.unwrap().len(), 2);
    change(copy.path(), "UPDATE Tables SET state = 1");
    assert!(source(copy.path(), json!({})).tables().await.unwrap().is_empty());
}

fn change(path: &Path, sql: &str) {
    let database = rusqlite::Connection::open(path.join("db/meta.sqlite")).unwrap();
    database.execute_batch(sql).unwrap();
    drop(database);
    // Closed, the log is gone; a server always leaves one.
    fs::write(path.join("db/meta.sqlite-wal"), "").unwrap();
}

async fn after_sql(sql: &str) -> String {
    after(|path| change(path, sql)).await
}

#[tokio::test]
async fn metadata_that_no_server_writes_is_refused() {
    let words = after_sql("UPDATE Tables SET dimension = 0").await;
    assert!(words.contains("The dimension is 0") && words.contains("collection "), "{words}");
    let words = after_sql("UPDATE Tables SET dimension = 2000000000").await;
    assert!(words.contains("The dimension is 2000000000"), "{words}");
    let words = after_sql("UPDATE Tables SET metric_type = 99").await;
    assert!(words.contains("The metric has the number 99"), "{words}");
    let words = after_sql("UPDATE TableFiles SET segment_id = '../../etc'").await;
    assert!(words.contains("A segment is called `../../etc`"), "{words}");
    for name in ["../../etc", "/etc", "..", ""] {
        let words = after_sql(&format!("UPDATE Tables SET table_id = '{name}' WHERE id = 1")).await;
        assert!(words.contains(&format!("A table is called `{name}`")), "{words}");
        assert!(words.contains("meta.sqlite"), "{words}");
    }
    let words = after_sql("UPDATE Tables SET dimension = 'x'").await;
    assert!(words.contains("Cannot read the metadata") && words.contains("dimension"), "{words}");
}

#[tokio::test]
async fn metadata_of_an_unknown_version_is_refused() {
    for version in ["9.0.0", "0.6.0", "0.11.0", "2.0.0", "one", ""] {
        let words = after_sql(&format!("UPDATE Tables SET version = '{version}'")).await;
        assert!(words.contains(&format!("by a Milvus of version `{version}`")), "{words}");
        assert!(words.contains("Table unflushed") && words.contains("meta.sqlite"), "{words}");
    }
    for column in ["dimension", "flush_lsn"] {
        let words = after_sql(&format!("ALTER TABLE Tables RENAME COLUMN {column} TO other")).await;
        assert!(words.contains("Cannot read the metadata") && words.contains(column), "{words}");
    }
    let words = after_sql("DROP TABLE TableFiles").await;
    assert!(words.contains("no such table: TableFiles"), "{words}");
    for version in ["0.7.1", "0.10.6", "1.0.0", "1.1.1"] {
        let copy = copy_of("G_wal_unflushed");
        change(copy.path(), &format!("UPDATE Tables SET version = '{version}'"));
        source(copy.path(), json!({})).tables().await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_is_to_be_another_must_be_there() {
    let copy = copy_of("G_wal_unflushed");
    for key in ["unflashed", "unflushed/q"] {
        let error = source(copy.path(), json!({ "rename": { key: "other" } })).tables().await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let words = error.to_string();
        assert!(words.contains(&format!("`{key}` to rename")), "{words}");
        assert!(words.contains("unflushed, unflushed/_default, unflushed/p"), "{words}");
    }
}

/// A file that is cut off while its rows move is an error, wherever the reader is.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_cut_off_while_they_are_read_are_told() {
    for ending in [".rv", ".uid", "deleted_docs"] {
        let copy = copy_of("G_wal_unflushed");
        let source = source(copy.path(), json!({}));
        let table = source.tables().await.unwrap().remove(0);
        let way = Way { batch_rows: 10, ..Way::PLAIN };
        let open =
            || source.open(&table, &table.splits[0], 0, Columns::All, &way.context()).unwrap();
        let mut rows = open();
        assert_eq!(rows.next().await.unwrap().unwrap().len(), 10);
        fs::write(find(copy.path(), ending), "cut").unwrap();
        let error = loop {
            match rows.next().await.expect("an error before the end") {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        let words = error.to_string();
        assert!(words.contains("changed after the run was planned"), "{words}");
        assert!(words.contains(ending) && words.contains("table unflushed"), "{words}");
        let error = open().next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("changed after the run was planned"), "{error}");
    }
}
