//! A data directory into HDF5 files and from there into Milvus, held against the short way.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::python::python;
use crate::milvus1_cases::{self, Part, Row, parts};
use crate::support::{Collection, Folder, Server, repository};

/// Which of the two forms a configuration has.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Native,
    MilvusDm,
}

/// A collection of a fixture on both ways.
struct Case {
    directory: &'static str,
    collection: &'static str,
    form: Form,
    folder: Folder,
}

impl Case {
    fn new(directory: &'static str, collection: &'static str, form: Form) -> Case {
        Case { directory, collection, form, folder: Folder::new() }
    }

    fn parts(&self) -> Vec<Part> {
        let all = parts(self.directory).into_iter();
        all.filter(|part| part.collection == self.collection).collect()
    }

    fn run(&self, task: &str, sets: &[String], server: &Server) {
        let (file, path, collections) = match self.form {
            Form::Native => (format!("{task}.yaml"), None, "source.milvus1.collections"),
            Form::MilvusDm => (
                format!("milvusdm-{task}.yaml"),
                Some(format!("{}.source_milvus_path", task.to_uppercase())),
                if task == "m2m" { "M2M.source_collection" } else { "M2H.source_collection" },
            ),
        };
        let data = milvus1_cases::folder(self.directory).join("data").display().to_string();
        let config = repository("configs").join(file).display().to_string();
        let mut all = vec![format!("{collections}={{{}: }}", self.collection)];
        all.extend(path.map(|key| format!("{key}={data}")));
        all.extend_from_slice(sets);
        let mut arguments = vec![config.as_str(), "--parallelism", "8"];
        all.iter().for_each(|set| arguments.extend(["--set", set]));
        let variables = [("MILVUS1_PATH", data.as_str()), ("MILVUS_URI", &server.uri)];
        let done = self.folder.run_with(&arguments, &variables);
        assert_eq!(done.code, 0, "{task}: {}", done.stderr);
    }

    /// The short way.
    fn m2m(&self, server: &Server, to: &Collection<'_>) {
        let mut sets = vec![format!("source.milvus1.rename={{{}: {}}}", self.collection, to.name)];
        if self.form == Form::MilvusDm {
            sets.push(format!("M2M.dest_port={}", server.port()));
        }
        self.run("m2m", &sets, server);
    }

    /// Into files; gives their folder.
    fn m2h(&self, server: &Server) -> PathBuf {
        self.run("m2h", &[], server);
        let out = if self.form == Form::MilvusDm { "hdf5" } else { "out" };
        self.folder.path(out).join(self.collection)
    }

    /// From the files, by the file beside each, as its user would give it another target.
    fn h2m(&self, server: &Server, files: &Path, to: &Collection<'_>) {
        for part in self.parts() {
            let yaml = files.join(format!("{}.yaml", part.partition)).display().to_string();
            let collection = format!("H2M.dest_collection_name={}", to.name);
            let port = format!("H2M.dest_port={}", server.port());
            let sets = ["--set", collection.as_str(), "--set", &port, "--parallelism", "8"];
            let arguments: Vec<_> = [yaml.as_str()].into_iter().chain(sets).collect();
            let done = self.folder.run(&arguments);
            assert_eq!(done.table("created")["target_rows_after"], part.rows, "{}", part.table());
        }
    }

    /// Asserts that h5py finds the true rows, and nothing but these files is there.
    fn h5py_reads(&self, files: &Path) {
        let parts = self.parts();
        assert_eq!(fs::read_dir(files).unwrap().count(), 2 * parts.len());
        let judge = repository("tests/judges/hdf5.py");
        let paths = parts.iter().map(|part| files.join(format!("{}.h5", part.partition)));
        let said = python([judge].into_iter().chain(paths));
        for (part, line) in parts.iter().zip(said.lines()) {
            let found: Value = serde_json::from_str(line).unwrap();
            let (ids, vectors) = (&found["ids"], &found["embeddings"]);
            let numbers = if part.kind == "binary" { "uint8" } else { "float32" };
            assert_eq!((&ids["type"], &vectors["type"]), (&"int64".into(), &numbers.into()));
            let (ids, vectors) = (bytes(&ids["values"]), bytes(&vectors["values"]));
            let ids = ids.as_chunks().0.iter().map(|id| i64::from_le_bytes(*id));
            let width = vectors.len() / part.rows;
            let mut rows: Vec<Row> = ids.zip(vectors.chunks(width).map(<[u8]>::to_vec)).collect();
            rows.sort();
            assert!(rows == part.truth(self.directory), "{}", part.table());
        }
    }
}

fn bytes(hexadecimal: &Value) -> Vec<u8> {
    let digits = hexadecimal.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn both_ways(server: &Server, case: &Case) {
    let (short, long) = (server.collection("m2m"), server.collection("m2h2m"));
    case.m2m(server, &short);
    let files = case.m2h(server);
    case.h5py_reads(&files);
    case.h2m(server, &files, &long);
    let same = long.is_same_as(&short);
    let parts = case.parts();
    assert_eq!(same["rows"], parts.iter().map(|part| part.rows).sum::<usize>());
    assert_eq!(same["partitions"].as_array().unwrap().len(), parts.len());
}

#[test]
fn float_vectors_on_milvus_2_3() {
    let server = Server::milvus();
    both_ways(&server, &Case::new("A_float_l2", "float_l2", Form::Native));
}

#[test]
fn binary_vectors_on_milvus_2_3() {
    let server = Server::milvus();
    for form in [Form::Native, Form::MilvusDm] {
        both_ways(&server, &Case::new("C_binary", "bin_hamming", form));
    }
}

#[test]
fn float_vectors_on_milvus_lite() {
    let server = Server::lite();
    for form in [Form::Native, Form::MilvusDm] {
        both_ways(&server, &Case::new("A_float_l2", "float_l2", form));
    }
}
