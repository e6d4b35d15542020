//! The directories, and what is true of them.
#![allow(dead_code, reason = "other tests use a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

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
