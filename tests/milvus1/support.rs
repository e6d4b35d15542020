//! The directories, and what is true of them.
#![allow(dead_code, reason = "other tests use a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type, UInt8Type};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use vecpipe::source::Source;

use crate::common::components;

/// Directories with SQLite metadata.
pub const WITH_SQLITE: [&str; 6] = [
    "A_float_l2",
    "C_binary",
    "D_empty_dropped",
    "E_compact_dup",
    "F_crash_indexing",
    "G_wal_unflushed",
];

/// One partition, and where its true rows are.
#[derive(Debug, Clone, Deserialize)]
pub struct Part {
    pub collection: String,
    pub partition: String,
    pub rows: usize,
    pub dim: usize,
    pub metric: String,
    pub kind: String,
    pub truth: String,
}

/// A row: its id, and the bytes of its vector.
pub type Row = (i64, Vec<u8>);

pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/milvus1/fixtures").join(name)
}

/// The partitions that a client of the old server saw.
pub fn parts(name: &str) -> Vec<Part> {
    serde_json::from_slice(&fs::read(folder(name).join("truth.json")).unwrap()).unwrap()
}

impl Part {
    /// The name of its table.
    pub fn table(&self) -> String {
        match &*self.partition {
            "_default" => self.collection.clone(),
            tag => format!("{}/{tag}", self.collection),
        }
    }

    /// Its rows, sorted.
    pub fn truth(&self, name: &str) -> Vec<Row> {
        let bytes = fs::read(folder(name).join(&self.truth)).unwrap();
        let (ids, vectors) = bytes.split_at(8 * self.rows);
        let width = if self.kind == "binary" { self.dim / 8 } else { self.dim * 4 };
        let ids = ids.as_chunks().0.iter().map(|id| i64::from_le_bytes(*id));
        let mut rows: Vec<_> = ids.zip(vectors.chunks_exact(width).map(<[u8]>::to_vec)).collect();
        rows.sort();
        rows
    }
}

/// Rows as (id, bytes), sorted.
pub fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let ids = batch.column(0).as_primitive::<Int64Type>();
    let values = batch.column(1).as_fixed_size_list().values();
    let bytes: Vec<u8> = match values.as_primitive_opt::<UInt8Type>() {
        Some(bytes) => bytes.values().to_vec(),
        None => {
            let floats = values.as_primitive::<Float32Type>().values();
            floats.iter().flat_map(|value| value.to_le_bytes()).collect()
        }
    };
    let width = (bytes.len() / batch.num_rows().max(1)).max(1);
    let vectors = bytes.chunks_exact(width).map(<[u8]>::to_vec);
    let mut rows: Vec<_> = ids.values().iter().copied().zip(vectors).collect();
    rows.sort();
    rows
}

/// The source, with these settings beside the path.
pub fn source(path: &Path, settings: Value) -> Box<dyn Source> {
    let mut config = json!({ "path": path });
    for (key, value) in settings.as_object().unwrap() {
        config[key] = value.clone();
    }
    components::source("milvus1", config)
}

/// A copy of a directory, to do harm to.
pub fn copy_of(name: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_all(&folder(name).join("data"), copy.path());
    copy
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match path.is_dir() {
            true => copy_all(&path, &target),
            false => drop(fs::copy(path, target).unwrap()),
        }
    }
}

/// The rows of each table in source order, read the plain way: segments as the metadata orders them,
/// rows as the files have them.
pub fn in_source_order(name: &str) -> Vec<(String, Vec<Row>)> {
    let copy = copy_of(name);
    let database = rusqlite::Connection::open(copy.path().join("db/meta.sqlite")).unwrap();
    let query = |sql: &str, key: &str| -> Vec<(String, String, usize)> {
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement
            .query_map([key], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? as usize)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    let tables = "SELECT table_id, partition_tag, dimension FROM Tables
                  WHERE state = 0 AND owner_table = ?1 ORDER BY id";
    let files = "SELECT segment_id, '', 0 FROM TableFiles
                 WHERE table_id = ?1 AND file_type IN (1, 2, 7) ORDER BY id";
    let mut all = Vec::new();
    for (collection, _, dim) in query(tables, "") {
        let mut parts = vec![(collection.clone(), collection.clone())];
        for (id, tag, _) in query(tables, &collection) {
            parts.push((format!("{collection}/{tag}"), id));
        }
        for (table, id) in parts {
            let folder = copy.path().join("db/tables").join(&id);
            let segments = query(files, &id);
            let rows = segments.iter().flat_map(|(id, ..)| alive(&folder.join(id), id, dim * 4));
            all.push((table, rows.collect()));
        }
    }
    all
}

fn alive(folder: &Path, id: &str, width: usize) -> Vec<Row> {
    let read = |name: String| fs::read(folder.join(name)).unwrap().split_off(8);
    let (ids, vectors) = (read(format!("{id}.uid")), read(format!("{id}.rv")));
    let deleted = read("deleted_docs".to_owned());
    let deleted: Vec<u32> =
        deleted.as_chunks().0.iter().map(|row| u32::from_le_bytes(*row)).collect();
    let ids = ids.as_chunks().0.iter().map(|id| i64::from_le_bytes(*id));
    let rows = ids.zip(vectors.chunks_exact(width).map(<[u8]>::to_vec)).enumerate();
    rows.filter(|(n, _)| !deleted.contains(&(*n as u32))).map(|(_, row)| row).collect()
}

/// The MariaDB of the tests.
pub struct Mysql {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub database: String,
}

pub fn mysql() -> Mysql {
    let uri = std::env::var("VECPIPE_TEST_MYSQL").expect(
        "VECPIPE_TEST_MYSQL is not set: run the tests with scripts/test, which starts the servers",
    );
    let (account, place) = uri.trim_start_matches("mysql://").split_once('@').unwrap();
    let (user, password) = account.split_once(':').unwrap();
    let (address, database) = place.split_once('/').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    let owned = str::to_owned;
    Mysql {
        host: owned(host),
        port: port.parse().unwrap(),
        user: owned(user),
        password: owned(password),
        database: owned(database),
    }
}

/// Names, sizes and times of everything in a folder.
pub fn state(folder: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let facts = path.metadata().unwrap();
        all.insert(path.display().to_string(), (facts.len(), facts.modified().unwrap()));
        if path.is_dir() {
            all.extend(state(&path));
        }
    }
    all
}
