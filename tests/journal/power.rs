//! The power fails: what was not synced is gone. A folder below the program keeps what a disk would
//! (`power.c`), and the next run must still bring each row once.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::UNIX_EPOCH;

use arrow_array::{Float32Array, Int64Array};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;
use tempfile::TempDir;
use vecpipe::milvus::v2::{Client, Options};

use crate::common::kill::{Random, is_done};
use crate::common::rows::{batch, vectors, write_parquet};
use crate::kill::{assert_same, rows};
use crate::program::Program;
use crate::support::block_on;

const ROWS: u64 = 6000;

/// The library that takes the notes.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journal/power.c");
    let library =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("power-{}.so", std::process::id()));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-Wall", "-Werror", "-O1", "-pthread", "-o"]);
    let done = compiler.arg(&library).arg(source).output().expect("a C compiler");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    library
});

/// A program in a folder whose disk forgets.
struct Disk {
    program: Program,
    store: TempDir,
}

impl Disk {
    fn new(config: &str) -> Disk {
        let disk = Disk { program: Program::new(config), store: tempfile::tempdir().unwrap() };
        disk.note(&disk.root());
        disk
    }

    fn root(&self) -> PathBuf {
        self.program.dir().canonicalize().unwrap()
    }

    /// Runs until the sync with this number; to the end with 0. The exit code, if it got there.
    fn run(&self, after: u64) -> (Option<i32>, String) {
        let mut command = self.program.command("run", &["-q", "--parallelism", "2"]);
        command.env("LD_PRELOAD", &*LIBRARY).env("POWER_ROOT", self.root());
        command.env("POWER_STORE", self.store.path()).env("POWER_AFTER", after.to_string());
        let output = command.stdout(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Notes what is there, before anything was lost.
    fn note(&self, path: &Path) {
        let name = self.store.path().join(identity(path));
        if !path.is_dir() {
            fs::copy(path, name).unwrap();
            return;
        }
        let mut names = String::new();
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let kind = if path.is_dir() { 'd' } else { 'f' };
            let file = path.file_name().unwrap().to_str().unwrap();
            names.push_str(&format!("{kind} {} {file}\n", identity(&path)));
            self.note(&path);
        }
        fs::write(name, names).unwrap();
    }

    /// The power fails.
    fn lose(&self) {
        let root = self.root();
        let kept = tempfile::tempdir().unwrap();
        self.rebuild(&identity(&root), kept.path());
        for entry in fs::read_dir(&root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
        copy(kept.path(), &root);
        for entry in fs::read_dir(self.store.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        self.note(&root);
    }

    fn rebuild(&self, folder: &str, to: &Path) {
        let names = fs::read_to_string(self.store.path().join(folder)).unwrap_or_default();
        for line in names.lines() {
            let mut words = line.splitn(3, ' ');
            let (kind, id, name) =
                (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            let to = to.join(name);
            if kind == "d" {
                private_folder(&to);
                self.rebuild(id, &to);
            } else {
                // A file that was never synced has a name and nothing else.
                fs::write(to, fs::read(self.store.path().join(id)).unwrap_or_default()).unwrap();
            }
        }
    }
}

fn private_folder(path: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(path).unwrap();
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            private_folder(&to);
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// As `power.c` calls it.
fn identity(path: &Path) -> String {
    let facts = fs::symlink_metadata(path).unwrap();
    let born = facts.created().map(|time| time.duration_since(UNIX_EPOCH).unwrap());
    let born = born.unwrap_or_default();
    format!("{}-{}-{}", facts.ino(), born.as_secs(), born.subsec_nanos())
}

fn config(sink: &str) -> String {
    format!(
        "version: 1\n\
         source: {{ synthetic: {{ rows: {ROWS}, dim: 8, split_rows: 500, ids: random }} }}\n\
         sink: {{ {sink} }}\n\
         run: {{ batch_rows: 50 }}\n"
    )
}

fn made_up() -> arrow_array::RecordBatch {
    rows("synthetic", json!({ "rows": ROWS, "dim": 8, "split_rows": 500, "ids": "random" }))
}

/// Sinks of files, and their kinds.
fn files() -> [(&'static str, &'static str); 2] {
    [("parquet: { dir: out }", "parquet"), ("hdf5: { dir: out, max_rows_per_file: 1500 }", "hdf5")]
}

/// The rows of a target of files.
fn there(disk: &Disk, kind: &str) -> arrow_array::RecordBatch {
    match kind {
        "parquet" => rows("parquet", json!({ "paths": [disk.root().join("out")] })),
        _ => rows("hdf5", json!({ "dir": disk.root().join("out/synthetic") })),
    }
}

#[test]
fn what_a_run_called_done_is_there_when_the_power_fails_afterwards() {
    let expected = made_up();
    for (sink, kind) in files() {
        let disk = Disk::new(&config(sink));
        let (code, told) = disk.run(0);
        assert_eq!(code, Some(0), "{told}");
        disk.lose();
        assert_same(&there(&disk, kind), &expected);
        assert!(is_done(&disk.root(), "config.yaml"), "{kind}: the journal forgot the end");
    }
}

/// The files beside a target: old and new ids, and rows that were put aside.
#[test]
fn what_a_run_wrote_beside_the_target_is_there_when_the_power_fails_afterwards() {
    let remap = "transforms: [ { remap: { strategy: sequential } } ]\n";
    let disk = Disk::new(&(config("\"null\": {}") + remap));
    let (code, told) = disk.run(0);
    assert_eq!(code, Some(0), "{told}");
    disk.lose();
    assert_eq!(rows_of(&disk.root().join("remap.parquet")), ROWS);

    let uri = std::env::var("VECPIPE_TEST_LITE").expect("scripts/test starts the servers");
    let name = format!("vecpipe_test_power_rejects_{}", std::process::id());
    let source = tempfile::tempdir().unwrap();
    let path = source.path().join("bad.parquet");
    let values = (0..200u8).map(|n| if n % 20 == 7 { f32::NAN } else { f32::from(n) });
    let vectors = vectors(2, Arc::new(Float32Array::from_iter_values(values)));
    let ids = Arc::new(Int64Array::from_iter_values(0..100));
    write_parquet(&path, &batch(vec![("id", ids), ("v", vectors)]), 50);
    let disk = Disk::new(&format!(
        "version: 1\nsource: {{ parquet: {{ paths: [{path:?}] }} }}\n\
         sink: {{ milvus: {{ uri: \"{uri}\", collection: {name} }} }}\n\
         run: {{ on_bad_row: reject }}\n"
    ));
    let (code, told) = disk.run(0);
    assert_eq!(code, Some(4), "{told}");
    disk.lose();
    block_on(async {
        let client = Client::connect(Options::new(&*uri)).await.unwrap();
        client.drop_collection(&name).await.unwrap();
    });
    let mut folders = vec![disk.root().join("rejects")];
    let mut rejected = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { rejected += rows_of(&path) }
        }
    }
    assert_eq!(rejected, 10);
}

fn rows_of(path: &Path) -> u64 {
    let file = fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    reader.metadata().file_metadata().num_rows().unsigned_abs()
}

/// Runs until one gets to its end. The power fails three times at most, each time at the call that `next` gives;
/// how often it did.
fn failures_until_the_end(disk: &Disk, mut next: impl FnMut() -> u64) -> u32 {
    let mut failures = 0;
    loop {
        let (code, told) = disk.run(if failures < 3 { next() } else { 0 });
        disk.lose();
        match code {
            // The next run would be a new one.
            None if is_done(&disk.root(), "config.yaml") => return failures,
            None => failures += 1,
            Some(0) => return failures,
            Some(_) => panic!("{failures} failures of the power, then: {told}"),
        }
    }
}

/// Whenever it fails, and again, until the run gets to its end.
#[test]
fn rows_are_there_once_whenever_the_power_fails() {
    let (mut random, expected, mut all) = (Random::of(11), made_up(), 0);
    for (sink, kind) in files() {
        for _ in 0..4 {
            let disk = Disk::new(&config(sink));
            all += failures_until_the_end(&disk, || 1 + random.below(40));
            assert_same(&there(&disk, kind), &expected);
        }
    }
    assert!(all > 0, "no run was interrupted");
}

/// A server that makes the ids keeps what it was sent, and a journal that forgot that would have it sent again.
#[test]
fn rows_with_new_ids_are_sent_once_whenever_the_power_fails() {
    let uri = std::env::var("VECPIPE_TEST_LITE").expect("scripts/test starts the servers");
    let (mut random, mut all) = (Random::of(12), 0);
    for round in 0..4 {
        let name = format!("vecpipe_test_power_{}_{round}", std::process::id());
        let settings = format!("collection: {name}, keep_ids: false, timeouts: {{ request: 3s }}");
        let disk = Disk::new(&config(&format!("milvus: {{ uri: \"{uri}\", {settings} }}")));
        all += failures_until_the_end(&disk, || 1 + random.below(25));
        let rows = block_on(async {
            let client = Client::connect(Options::new(&*uri)).await.unwrap();
            let rows = client.row_count(&name, None).await.unwrap();
            client.drop_collection(&name).await.unwrap();
            rows
        });
        assert_eq!(rows, ROWS);
    }
    assert!(all > 0, "no run was interrupted");
}
