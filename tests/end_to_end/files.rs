//! HDF5 files of every kind into Parquet, judged by pyarrow and h5py; and what is said of files
//! that are wrong.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Folder, all_kinds, python};

const CONFIG: &str = "\
version: 1
source:
  hdf5: { paths: ['${FILE}'] }
sink:
  parquet: { dir: '${OUT:-out}' }
";

#[test]
fn every_kind_of_file_arrives_bit_for_bit() {
    let folder = Folder::new();
    folder.write("config.yaml", CONFIG);
    let cases: Vec<Value> =
        serde_json::from_slice(&fs::read(all_kinds().join("cases.json")).unwrap()).unwrap();
    assert!(cases.len() > 300, "only {} cases", cases.len());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(&folder, case, &out(&cases, case));
                }
            });
        }
    });
    let judged: Vec<_> = cases
        .iter()
        .map(|case| {
            let ids = case["ids"].is_string().then(|| ids_path(case));
            json!({
                "out": folder.path(&out(&cases, case)), "kind": case["kind"], "ids": ids,
                "file": all_kinds().join(case["file"].as_str().unwrap()), "vectors": case["vectors"],
            })
        })
        .collect();
    folder.write("cases.json", &json!(judged).to_string());
    let input = fs::File::open(folder.path("cases.json")).unwrap();
    let judged = python("tests/judges/parquet.py").stdin(input).output().unwrap();
    let said = String::from_utf8_lossy(&judged.stdout);
    let errors = String::from_utf8_lossy(&judged.stderr);
    assert_eq!(said, format!("{} compared\n", cases.len()), "{errors}");
}

fn out(cases: &[Value], case: &Value) -> String {
    format!("out-{}", cases.iter().position(|other| other == case).unwrap())
}

fn ids_path(case: &Value) -> &str {
    case["ids_path"].as_str().unwrap_or("ids")
}

fn run(folder: &Folder, case: &Value, out: &str) {
    let file = all_kinds().join(case["file"].as_str().unwrap());
    let vectors = format!("source.hdf5.vectors={}", case["vectors"].as_str().unwrap());
    let ids = format!("source.hdf5.ids={}", ids_path(case));
    let mut command = folder.command(&["run", "config.yaml", "-q", "--parallelism", "2"]);
    command.args(["--set", &vectors]).env("FILE", file).env("OUT", out);
    if case["ids_path"].is_string() {
        command.args(["--set", &ids]);
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{case}: {}", String::from_utf8_lossy(&done.stderr));
    assert!(done.stderr.is_empty(), "{case}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn wrong_files_are_named_with_what_is_wrong() {
    let folder = Folder::new();
    folder.write("config.yaml", CONFIG);
    let mut all = String::new();
    for file in [
        "wrong-missing.h5",
        "wrong-not-hdf5.h5",
        "wrong-truncated.h5",
        "wrong-names.h5",
        "wrong-lengths.h5",
        "wrong-rank3.h5",
        "wrong-integers.h5",
        "wrong-overflow.h5",
        "wrong-damaged-sum.h5",
    ] {
        let mut command = folder.command(&["run", "config.yaml", "-q"]);
        let done = command.env("FILE", all_kinds().join(file)).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        let said = said.replace(all_kinds().to_str().unwrap(), "DIR");
        all.push_str(&format!("# {file}: exit code {}\n{said}\n", done.status.code().unwrap()));
        assert_eq!(parts_in(&folder.path("out")), 0, "{file} left rows behind");
    }
    insta::assert_snapshot!(all);
}

/// Parts of tables below a folder; a manifest that lists none may be there.
fn parts_in(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true => parts_in(&path),
            false => usize::from(path.extension().is_some_and(|kind| kind == "parquet")),
        })
        .sum()
}
