//! The files, and what is true of them.
#![allow(dead_code, reason = "other tests use a part of it")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use vecpipe::source::Source;

use crate::common::components;
use crate::common::python::python;

/// One index file, as make_faiss.py describes it.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    pub file: String,
    /// float or binary
    pub kind: String,
    pub rows: usize,
    pub dim: usize,
    pub metric: String,
    /// True when the vectors are bit for bit those that the index was given.
    pub exact: bool,
    /// True rows come in the order of the file, or in any.
    pub order: String,
    /// Why it is not read.
    pub refused: Option<String>,
    pub truth: Option<String>,
    #[serde(skip)]
    pub folder: PathBuf,
}

/// A row: its id, and the bytes of its vector.
pub type Row = (i64, Vec<u8>);

impl Case {
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.file)
    }

    pub fn row_bytes(&self) -> usize {
        if self.kind == "binary" { self.dim / 8 } else { self.dim * 4 }
    }

    /// What the index holds.
    pub fn truth(&self) -> Vec<Row> {
        let bytes = std::fs::read(self.folder.join(self.truth.as_ref().unwrap())).unwrap();
        let (ids, vectors) = bytes.split_at(8 * self.rows);
        assert_eq!(vectors.len(), self.rows * self.row_bytes(), "{}", self.file);
        let ids = ids.chunks_exact(8).map(|id| i64::from_le_bytes(id.try_into().unwrap()));
        ids.zip(vectors.chunks_exact(self.row_bytes()).map(<[u8]>::to_vec)).collect()
    }

    /// The source, with these settings beside the path.
    pub fn source(&self, settings: Value) -> Box<dyn Source> {
        source(&[&self.path()], settings)
    }
}

pub fn source(paths: &[&Path], settings: Value) -> Box<dyn Source> {
    let mut config = json!({ "paths": paths });
    for (key, value) in settings.as_object().unwrap() {
        config[key] = value.clone();
    }
    components::source("faiss", config)
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faiss/fixtures")
}

fn read(folder: &Path) -> Vec<Case> {
    let list = std::fs::read(folder.join("cases.json")).unwrap();
    let mut cases: Vec<Case> = serde_json::from_slice(&list).unwrap();
    cases.iter_mut().for_each(|case| case.folder = folder.to_owned());
    cases
}

/// Files that Faiss 1.7.4 wrote.
pub static OLD: LazyLock<Vec<Case>> = LazyLock::new(|| read(&fixtures().join("1.7.4")));

static MADE: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    python([fixtures().join("make_faiss.py").as_os_str(), OsStr::new(folder.path())]);
    folder
});

/// Files that the newest Faiss writes.
pub static NEW: LazyLock<Vec<Case>> = LazyLock::new(|| read(MADE.path()));

/// Both.
pub fn all() -> impl Iterator<Item = &'static Case> {
    OLD.iter().chain(NEW.iter())
}

/// The case of this name, of the newest Faiss.
pub fn new(file: &str) -> &'static Case {
    NEW.iter().find(|case| case.file == file).unwrap_or_else(|| panic!("no case {file}"))
}
