//! Files that are cut off while their rows move: the run says so and ends, and nothing is taken for
//! done that is not.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::common::rows::{batch, vectors, write_parquet};
use crate::material::{self, DIM, Rows, Set, Task};
use crate::milvus1_server::Milvus1;
use crate::proxy::{Fault, Proxy};
use crate::support::Folder;
use crate::target::RUNTIME;

/// One source, whose file is cut off.
struct Case {
    folder: Folder,
    server: Milvus1,
    proxy: Proxy,
    file: PathBuf,
    /// What was in it, and its time.
    before: (Vec<u8>, SystemTime),
    rows: Rows,
}

const NAME: &str = "cut";

impl Case {
    /// Rows of `kind` on their way into a server, by requests of `batch_rows`; `fault` meets the
    /// `nth` insert, and the file is cut off to `kept` bytes by then.
    fn new(kind: &str, batch_rows: u32, (nth, fault): (u32, Fault), kept: u64) -> Case {
        let folder = Folder::new();
        let (source, file, rows) = source(kind, &folder);
        let server = RUNTIME.block_on(Milvus1::start("1.1.1"));
        let mut inserts = 0;
        let script = move |call: &str| {
            inserts += u32::from(call == "Insert");
            if call == "Insert" && inserts == nth { fault } else { Fault::None }
        };
        let proxy = RUNTIME.block_on(Proxy::scripted(&server.uri, Box::new(script)));
        let cut = file.clone();
        proxy.on_act(move || {
            File::options().write(true).open(&cut).unwrap().set_len(kept).unwrap();
        });
        let collection = if kind == "milvus1" { "" } else { ", collection: cut" };
        folder.write(
            "run.yaml",
            &format!(
                "version: 1\n\
                 source: {{ {source} }}\n\
                 sink: {{ milvus1: {{ uri: \"{}\"{collection}, timeouts: {{ request: 2s }} }} }}\n\
                 run: {{ batch_rows: {batch_rows}, parallelism: 1 }}\n",
                proxy.uri
            ),
        );
        let time = file.metadata().unwrap().modified().unwrap();
        let before = (fs::read(&file).unwrap(), time);
        Case { folder, server, proxy, file, before, rows }
    }

    /// Puts another file in its place, of the same size and time.
    fn replace_on_act(&self) {
        let (file, (bytes, time)) = (self.file.clone(), self.before.clone());
        self.proxy.on_act(move || {
            let other = file.with_extension("other");
            fs::write(&other, &bytes).unwrap();
            File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
            fs::rename(&other, &file).unwrap();
        });
    }

    /// Puts the file back, as a copy that keeps times would.
    fn put_back(&self) {
        fs::write(&self.file, &self.before.0).unwrap();
        let file = File::options().write(true).open(&self.file).unwrap();
        file.set_modified(self.before.1).unwrap();
    }

    /// Runs with these flags: exit code, and what it said.
    fn run(&self, flags: &[&str]) -> (i32, String) {
        let done = self.folder.run(&[&["run.yaml", "-q"], flags].concat());
        (done.code, done.stderr)
    }

    fn holds_all(&self) {
        let rows: Vec<_> = self.rows.clone().into_iter().collect();
        assert!(self.server.rows(NAME, "_default") == rows, "the target is the source");
    }
}

/// The configuration of a source of one file, the file, and its rows.
fn source(kind: &str, folder: &Folder) -> (String, PathBuf, Rows) {
    let put = |task: Task, file: PathBuf, name: &str| {
        folder.put(&file, name);
        let all = material::rows(task, Set::Old);
        (folder.path(name), all)
    };
    match kind {
        "hdf5" => {
            let (file, rows) = put(Task::H2m, material::joined("h5"), "a.h5");
            (format!("hdf5: {{ paths: [{file:?}], ids: ids }}"), file, rows)
        }
        "faiss" => {
            let (file, rows) = put(Task::F2m, material::joined("index"), "a.index");
            (format!("faiss: {{ paths: [{file:?}] }}"), file, rows)
        }
        "parquet" => {
            let rows = material::rows(Task::H2m, Set::Old);
            let file = folder.path("a.parquet");
            write_parquet(&file, &as_batch(&rows), 100);
            (format!("parquet: {{ paths: [{file:?}], id: id, vector: vector }}"), file, rows)
        }
        _ => {
            let path = folder.path("server");
            material::write_directory(&path, NAME, Set::Old);
            let file = find(&path, ".rv").expect("a file of vectors");
            (format!("milvus1: {{ path: {path:?} }}"), file, material::rows(Task::M2m, Set::Old))
        }
    }
}

fn as_batch(rows: &Rows) -> arrow_array::RecordBatch {
    use std::sync::Arc;

    use arrow_array::{Float32Array, Int64Array};
    let values = rows.values().flat_map(|vector| {
        vector.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<_>>()
    });
    let values = Arc::new(Float32Array::from_iter_values(values));
    let ids = Arc::new(Int64Array::from_iter_values(rows.keys().copied()));
    batch(vec![("id", ids), ("vector", vectors(DIM, values))])
}

fn find(folder: &Path, ending: &str) -> Option<PathBuf> {
    fs::read_dir(folder).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => find(&path, ending),
            false => path.to_str().unwrap().ends_with(ending).then_some(path),
        }
    })
}

#[test]
fn a_file_that_is_cut_off_between_two_requests_ends_the_run() {
    for kind in ["hdf5", "faiss", "milvus1", "parquet"] {
        let case = Case::new(kind, 10, (3, Fault::ActAfter), 100);
        let (code, words) = case.run(&[]);
        assert_eq!(code, 1, "{kind}: {words}");
        let told =
            ["changed after the run was planned", "The file ends at byte", "EOF: Expected to read"];
        assert!(told.iter().any(|told| words.contains(told)), "{kind}: {words}");
        assert!(words.contains(case.file.to_str().unwrap()), "{kind}: {words}");
        // As it is now, it is another one, or none.
        let (code, words) = case.run(&[]);
        assert_ne!(code, 0, "{kind}: {words}");
        // A copy that keeps size and time is another file all the same.
        case.put_back();
        let (code, words) = case.run(&[]);
        assert_eq!(code, 2, "{kind}: {words}");
        assert!(words.contains("can't be gone on with: the source changed"), "{words}");
        let (code, words) = case.run(&["--restart", "--set", "sink.milvus1.on_conflict=upsert"]);
        assert_eq!(code, 0, "{kind}: {words}");
        case.holds_all();
    }
}

/// The last batch was checked before it was written, and never again: zeros could take the place of
/// what the file had lost by then.
#[test]
fn a_file_that_is_cut_off_while_its_last_rows_are_written_ends_the_run() {
    for kind in ["faiss", "hdf5", "milvus1", "parquet"] {
        for kept in [100, 9_000] {
            let case = Case::new(kind, 1000, (1, Fault::ActAfter), kept);
            let (code, words) = case.run(&[]);
            assert_eq!(code, 1, "{kind}: {words}");
            assert!(words.contains("changed after the run was planned"), "{kind}: {words}");
            assert!(words.contains("with other values"), "{kind}: {words}");
            case.put_back();
            assert_eq!(case.run(&[]).0, 2, "{kind}");
        }
    }
}

/// Rows that are gone can't be sent, which would be tried again for ten minutes.
#[test]
fn a_write_of_rows_that_are_gone_is_given_up() {
    for kind in ["faiss", "milvus1"] {
        let case = Case::new(kind, 1000, (1, Fault::ActSilence), 100);
        let (code, words) = case.run(&[]);
        assert_eq!(code, 1, "{kind}: {words}");
        assert!(words.contains("changed after the run was planned"), "{kind}: {words}");
        assert_eq!(case.proxy.calls().len(), 1, "{kind}");
    }
}

/// A Parquet file was known by its size alone: its first rows came from one file, the others from another.
#[test]
fn a_file_that_is_replaced_by_one_of_its_size_ends_the_run() {
    for kind in ["faiss", "hdf5", "milvus1", "parquet"] {
        for nth in [1, 5] {
            let case = Case::new(kind, 10, (nth, Fault::ActAfter), 0);
            case.replace_on_act();
            let (code, words) = case.run(&[]);
            assert_eq!(code, 1, "{kind}: {words}");
            assert!(
                words.contains("The source changed after the run was planned"),
                "{kind}: {words}"
            );
            assert!(words.contains("another file has its place") || kind == "parquet", "{words}");
            assert!(words.contains("begin anew with --restart"), "{kind}: {words}");
            assert_eq!(case.run(&[]).0, 2, "{kind}");
        }
    }
}

/// A run that was killed, or interrupted between two splits, met a file that a copy had put there with its size
/// and time: the bytes that are probed were the same.
#[test]
fn a_file_that_was_replaced_between_two_attempts_is_noticed_whatever_its_time_says() {
    for kind in ["faiss", "hdf5", "milvus1", "parquet"] {
        let case = Case::new(kind, 10, (3, Fault::Refuse), 0);
        let (code, words) = case.run(&[]);
        assert_eq!(code, 1, "{kind}: {words}");
        case.put_back();
        let (code, words) = case.run(&[]);
        assert_eq!(code, 2, "{kind}: {words}");
        assert!(words.contains("changed"), "{kind}: {words}");
        assert!(words.contains("--restart"), "{kind}: {words}");
    }
}
