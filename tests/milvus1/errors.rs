//! Directories that are damaged, or not what they were taken for.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use vecpipe::Kind;

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
    for ending in [".rv", ".uid"] {
        let words = after(|path| fs::remove_file(find(path, ending)).unwrap()).await;
        assert!(words.contains("Cannot open the file") && words.contains(ending), "{words}");
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
}

#[tokio::test]
async fn metadata_that_was_left_behind_or_is_none_is_told() {
    let words = after(|path| fs::remove_file(path.join("db/meta.sqlite-wal")).unwrap()).await;
    let told = words.contains("meta.sqlite-wal") && words.contains("copy both");
    assert!(told || words.contains("Cannot read the metadata"), "{words}");
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

async fn after_sql(sql: &str) -> String {
    after(|path| {
        let database = rusqlite::Connection::open(path.join("db/meta.sqlite")).unwrap();
        database.execute_batch(sql).unwrap();
    })
    .await
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
    let words = after_sql("ALTER TABLE Tables RENAME COLUMN dimension TO dims").await;
    assert!(words.contains("Cannot read the metadata"), "{words}");
}
