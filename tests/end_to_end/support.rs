//! A folder to work in, the program, and the judge.
#![allow(dead_code, reason = "other tests use a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

#[allow(unused_imports, reason = "other tests use one of them")]
pub use crate::common::folder::{Done, Folder};
use crate::common::judge::Judge;
use crate::milvus1_cases;

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A command that runs a script of the repository.
pub fn python(script: &str) -> Command {
    let python = std::env::var_os("VECPIPE_PYTHON").expect(
        "VECPIPE_PYTHON must name a Python with h5py, pyarrow and pymilvus; scripts/test sets it",
    );
    let mut command = Command::new(python);
    command.arg(repository(script));
    command
}

fn made_by(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let done = python(script).arg(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    folder
}

static SAMPLES: LazyLock<TempDir> = LazyLock::new(|| made_by("tests/fixtures/make_h2m.py"));
static ALL_KINDS: LazyLock<TempDir> = LazyLock::new(|| made_by("tests/fixtures/make_hdf5.py"));

/// A file of make_h2m.py.
pub fn sample(name: &str) -> PathBuf {
    SAMPLES.path().join(name)
}

/// The folder of make_hdf5.py: files of every kind.
pub fn all_kinds() -> &'static Path {
    ALL_KINDS.path()
}

/// A server, and pymilvus to look into it.
pub struct Server {
    pub uri: String,
    judge: Judge,
}

impl Server {
    /// Milvus 2.3.5.
    pub fn milvus() -> Server {
        Server::at("VECPIPE_TEST_MILVUS")
    }

    /// Milvus Lite.
    pub fn lite() -> Server {
        Server::at("VECPIPE_TEST_LITE")
    }

    fn at(variable: &str) -> Server {
        let uri = std::env::var(variable).unwrap_or_else(|_| {
            panic!("{variable} is not set: run the tests with scripts/test, which starts servers")
        });
        Server::judged(uri, variable == "VECPIPE_TEST_LITE")
    }

    /// A Milvus Lite of a test's own.
    pub fn lite_at(uri: String) -> Server {
        Server::judged(uri, true)
    }

    fn judged(uri: String, is_lite: bool) -> Server {
        let lite = is_lite.then_some("lite");
        let judge = Judge::start("tests/judges/milvus.py", [uri.as_str()].into_iter().chain(lite));
        Server { uri, judge }
    }

    pub fn port(&self) -> &str {
        self.uri.rsplit_once(':').expect("the address has a port").1
    }

    /// A collection name that no other test uses; the collection is dropped at the end.
    pub fn collection(&self, name: &str) -> Collection<'_> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        // Of one length, so that tables that show it are aligned alike in each run.
        let name = format!("vecpipe_{name}_{:06x}_{n:03}", std::process::id());
        Collection { server: self, name }
    }

    /// The collection of this name; it is dropped at the end.
    pub fn collection_named(&self, name: &str) -> Collection<'_> {
        Collection { server: self, name: name.to_owned() }
    }

    /// The collection that an alias leads to, and its rows as a query counts them.
    pub fn seen(&self, alias: &str) -> Value {
        self.ask(&json!({ "do": "seen", "alias": alias }))
    }

    /// The partitions of a collection; null where there is no such collection.
    pub fn partitions_of(&self, collection: &str) -> Value {
        let answer = self.ask(&json!({ "do": "partitions", "collection": collection }));
        answer.get("partitions").cloned().unwrap_or_default()
    }

    /// Drops an alias.
    pub fn drop_alias(&self, alias: &str) {
        assert_eq!(self.ask(&json!({ "do": "alias", "alias": alias })), json!({}));
    }

    /// Loads collections, all at once.
    #[track_caller]
    pub fn load<'a>(&self, collections: impl Iterator<Item = &'a Collection<'a>>) {
        let names: Vec<_> = collections.map(|collection| &collection.name).collect();
        assert_eq!(self.ask(&json!({ "do": "load", "collections": names })), json!({}));
    }

    fn ask(&self, request: &Value) -> Value {
        self.judge.ask(request)
    }
}

/// A partition, and the file of its true rows: ids, then vectors.
pub struct Truth {
    pub partition: String,
    pub file: PathBuf,
    pub rows: usize,
    pub dim: usize,
    pub kind: String,
}

impl Truth {
    /// Of a fixture's partition.
    pub fn of(directory: &str, part: &milvus1_cases::Part) -> Truth {
        Truth {
            partition: part.partition.clone(),
            file: milvus1_cases::folder(directory).join(&part.truth),
            rows: part.rows,
            dim: part.dim,
            kind: part.kind.clone(),
        }
    }

    /// These rows in the default partition; `file` is written.
    pub fn of_rows(file: PathBuf, rows: &[milvus1_cases::Row]) -> Truth {
        let ids = rows.iter().flat_map(|(id, _)| id.to_le_bytes());
        let vectors = rows.iter().flat_map(|(_, vector)| vector.iter().copied());
        fs::write(&file, ids.chain(vectors).collect::<Vec<u8>>()).unwrap();
        let dim = rows.first().map_or(0, |(_, vector)| vector.len() / 4);
        let (partition, kind) = ("_default".to_owned(), "float".to_owned());
        Truth { partition, file, rows: rows.len(), dim, kind }
    }

    fn to_json(&self) -> Value {
        json!({
            "partition": self.partition, "truth": self.file, "rows": self.rows, "dim": self.dim,
            "kind": self.kind,
        })
    }
}

/// A collection that is dropped at the end.
pub struct Collection<'a> {
    server: &'a Server,
    pub name: String,
}

impl Collection<'_> {
    /// `--set` for a native or a MilvusDM file.
    pub fn set(&self) -> String {
        format!("sink.milvus.collection={}", self.name)
    }

    /// Asserts that the collection holds the rows of these files, and no others; gives the facts.
    #[track_caller]
    pub fn holds(&self, files: &[&str]) -> Value {
        self.part_holds(None, files)
    }

    /// The same of a partition.
    #[track_caller]
    pub fn part_holds(&self, partition: Option<&str>, files: &[&str]) -> Value {
        let ids = |file: &&str| if *file == "numbered.h5" { Value::Null } else { json!("ids") };
        let files: Vec<_> =
            files.iter().map(|file| json!([sample(file), "embeddings", ids(file)])).collect();
        let answer = self.server.ask(&json!({
            "do": "compare", "collection": self.name, "partition": partition, "files": files,
        }));
        assert_eq!(answer["wrong"], Value::Null, "{} {partition:?}", self.name);
        answer
    }

    /// Gives the collection an alias.
    #[track_caller]
    pub fn add_alias(&self, alias: &str) {
        let request = json!({ "do": "alias", "collection": self.name, "alias": alias });
        assert_eq!(self.server.ask(&request), json!({}));
    }

    /// Asserts that the collection holds the true rows of these partitions, and no others; gives
    /// the facts. Where an id comes more than once, Milvus holds all its rows and shows one of them:
    /// their number is compared, and that one.
    #[track_caller]
    pub fn holds_parts(&self, parts: &[Truth]) -> Value {
        let parts: Vec<_> = parts.iter().map(Truth::to_json).collect();
        let answer = self.server.ask(&json!({
            "do": "holds", "collection": self.name, "parts": parts,
        }));
        assert_eq!(answer["wrong"], Value::Null, "{}", self.name);
        answer
    }

    /// Asserts that the collection holds the true rows, each as often as they come, under other ids.
    #[track_caller]
    pub fn holds_with_new_ids(&self, truth: &Truth) {
        let answer = self.server.ask(&json!({
            "do": "holds", "collection": self.name, "parts": [truth.to_json()], "new_ids": true,
        }));
        assert_eq!(answer["wrong"], Value::Null, "{}", self.name);
    }

    /// Asserts that the other collection has the same partitions, rows and metric.
    #[track_caller]
    pub fn is_same_as(&self, other: &Collection<'_>) -> Value {
        let answer = self.server.ask(&json!({
            "do": "same", "collection": self.name, "other": other.name,
        }));
        assert_eq!(answer["wrong"], Value::Null, "{} and {}", self.name, other.name);
        answer
    }

    /// The partitions; null where there is no such collection.
    pub fn partitions(&self) -> Value {
        self.server.partitions_of(&self.name)
    }
}

impl Drop for Collection<'_> {
    fn drop(&mut self) {
        // A second panic would hide the first.
        let dropped = self.server.judge.try_ask(&json!({ "do": "drop", "collection": self.name }));
        assert!(dropped.is_some() || std::thread::panicking(), "{} stays behind", self.name);
    }
}
