//! Files to move, targets to move them to, and what a comparison says.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::{Value, json};
use tempfile::TempDir;

pub use crate::work::{Done, Folder, Server, python, repository};

static FILES: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let done = python("tests/verify/rows.py").arg(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    folder
});

/// A file of rows.py.
pub fn file(name: &str) -> PathBuf {
    FILES.path().join(name)
}

/// A source of one of these files.
pub fn source(name: &str) -> Value {
    match name.ends_with(".h5") {
        true => json!({ "hdf5": { "paths": [file(name)], "vectors": "embeddings", "ids": "ids" } }),
        false => json!({ "parquet": { "paths": [file(name)] } }),
    }
}

/// One move in a folder of its own.
pub struct Move {
    pub folder: Folder,
    /// What damage.py is told of the target, before what to do.
    place: Vec<String>,
}

impl Move {
    /// Writes the configuration; moves nothing.
    pub fn new(source: Value, transforms: Value, sink: Value) -> Move {
        let (folder, mut sink) = (Folder::new(), sink);
        let place = match sink.as_object().unwrap().keys().next().unwrap().as_str() {
            "milvus" => {
                let milvus = &sink["milvus"];
                let text = |key: &str| milvus[key].as_str().unwrap_or_default().to_owned();
                vec!["milvus".to_owned(), text("uri"), text("collection"), text("partition")]
            }
            kind @ ("parquet" | "hdf5") => {
                let kind = kind.to_owned();
                let dir = folder.path("out");
                sink[&kind]["dir"] = json!(dir);
                vec![kind]
            }
            _ => Vec::new(),
        };
        let config =
            json!({ "version": 1, "source": source, "transforms": transforms, "sink": sink });
        folder.write("config.json", &config.to_string());
        Move { folder, place }
    }

    /// Moves, and compares the content; what was compared is the same.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Done {
        let arguments = [&["config.json", "--verify", "content"], arguments].concat();
        let done = self.folder.run(&arguments);
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        for table in done.report["tables"].as_array().unwrap() {
            assert_eq!(table["verified"], "content", "{table}");
            assert_eq!(table["comparison"]["verdict"], "same");
            assert_eq!(table["checksum"], table["comparison"]["checksum_of_target"]);
            assert!(done.stdout.contains(table["checksum"].as_str().unwrap()), "{}", done.stdout);
        }
        done
    }

    /// `pipeline verify`, with its report.
    pub fn verify(&self, arguments: &[&str]) -> Done {
        let report = self.folder.path("verify.json");
        let _ = fs::remove_file(&report);
        let all = [&["verify", "config.json", "--report", "verify.json"], arguments].concat();
        let done = self.folder.pipeline(&all);
        let report = fs::read_to_string(report).ok();
        let report = report.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        assert_eq!(report["exit_code"], done.code, "{report} {}", done.stderr);
        Done { report, ..done }
    }

    /// Asserts that source and target are the same, and gives the first target's report.
    #[track_caller]
    pub fn is_same(&self, arguments: &[&str]) -> Value {
        let done = self.verify(arguments);
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        let target = done.report["targets"][0].clone();
        assert_eq!(target["verdict"], "same");
        assert!(done.stdout.contains("same"), "{}", done.stdout);
        target
    }

    /// Asserts that just these ids differ, and how; each is given as a line of the output begins.
    #[track_caller]
    pub fn differs(&self, arguments: &[&str], lines: &[&str]) -> Value {
        let done = self.verify(arguments);
        assert_eq!(done.code, 5, "{}{}", done.stdout, done.stderr);
        let told: Vec<_> = done.stdout.lines().filter(|line| line.starts_with("  ")).collect();
        assert_eq!(told.len(), lines.len(), "{}", done.stdout);
        for line in lines {
            assert!(told.iter().any(|told| told.trim().starts_with(line)), "{line}\n{told:#?}");
        }
        assert!(done.stderr.contains("Source and target differ"), "{}", done.stderr);
        let target = done.report["targets"][0].clone();
        assert_eq!(target["verdict"], "differ");
        assert_eq!(target["differences"]["ids"].as_array().unwrap().len(), lines.len());
        target
    }

    /// Does damage to the target.
    #[track_caller]
    pub fn damage(&self, what: &str, id: impl Into<Value>) {
        let mut place = self.place.clone();
        match &*place[0] {
            "milvus" => {}
            kind => {
                let pattern = self.folder.path(&format!("out/**/*.{}", ending(kind)));
                let mut found = glob(&pattern);
                place.push(found.pop().unwrap().display().to_string());
            }
        }
        let mut command = python("tests/verify/damage.py");
        let done = command.args(place).arg(what).arg(id.into().to_string()).output().unwrap();
        assert!(done.status.success(), "{what}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

fn ending(kind: &str) -> &str {
    if kind == "hdf5" { "h5" } else { kind }
}

/// Files that a pattern finds, sorted.
fn glob(pattern: &std::path::Path) -> Vec<PathBuf> {
    let text = pattern.to_str().unwrap();
    let (folder, ending) = text.split_once("/**/*.").unwrap();
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|e| e == ending) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}
