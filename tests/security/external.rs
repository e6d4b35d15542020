//! Inputs that lead to files which nobody named: whoever made them would choose what is read.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::common::python::python;
use crate::program::Program;

static INPUTS: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/security/external.py");
    python([script.as_os_str(), folder.path().as_os_str()]);
    folder
});

/// The inputs, and the files that they lead to.
const CASES: [(&str, &str); 5] = [
    ("raw.h5", "secret.bin"),
    ("link.h5", "other.h5"),
    ("virtual.h5", "other.h5"),
    ("nested.h5", "secret.bin"),
    ("lists.index", "lists.ivfdata"),
];

fn program(input: &Path, more: &str) -> Program {
    let kind = if input.extension().unwrap() == "h5" { "hdf5" } else { "faiss" };
    let source = format!("source: {{ {kind}: {{ paths: [{input:?}]{more} }} }}");
    let config = format!("version: 1\n{source}\nsink: {{ parquet: {{ dir: out }} }}\n");
    Program::new(&[("config.yaml", &config)])
}

fn run(program: &Program, words: &[&str]) -> (Option<i32>, String) {
    let output = program.command(words).output().unwrap();
    let words = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(words).unwrap())
}

/// 33 lines of /etc/passwd were moved as vectors.
#[test]
fn files_outside_the_inputs_folder_are_not_read_unless_that_is_allowed() {
    for (input, other) in CASES {
        let input = INPUTS.path().join("in").join(input);
        let other = INPUTS.path().join("secret").join(other).display().to_string();
        let strict = program(&input, "");
        for command in ["plan", "run"] {
            let (code, told) = run(&strict, &[command, "config.yaml"]);
            assert_eq!(code, Some(2), "{told}");
            assert!(told.contains(&other) && told.contains("external: allow"), "{told}");
            assert!(!strict.path().join("out").exists(), "{told}");
        }
        let (_, told) = run(&strict, &["inspect", input.to_str().unwrap()]);
        assert!(told.contains(&other), "{told}");
        let open = program(&input, ", external: allow");
        let (code, told) = run(&open, &["plan", "config.yaml"]);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains(&format!("leads to another file, {other}")), "{told}");
        let (code, told) = run(&open, &["run", "config.yaml"]);
        assert_eq!(code, Some(0), "{told}");
    }
}

#[test]
fn files_in_the_inputs_folder_are_read_and_named() {
    for (input, other) in CASES {
        let input = INPUTS.path().join("near").join(input);
        let program = program(&input, "");
        let (code, told) = run(&program, &["plan", "config.yaml"]);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("leads to another file") && told.contains(other), "{told}");
        let (code, told) = run(&program, &["run", "config.yaml", "--verify", "content"]);
        assert_eq!(code, Some(0), "{told}");
    }
}

/// Only the named file was looked at: a run that was killed went on with other rows.
#[test]
fn a_file_that_an_input_leads_to_is_looked_at_as_well() {
    for (input, other) in CASES {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/security/external.py");
        python([script.as_os_str(), folder.path().as_os_str()]);
        let input = folder.path().join("near").join(input);
        let program = program(&input, "");
        let (code, told) = run(&program, &["run", "config.yaml"]);
        assert_eq!(code, Some(0), "{told}");
        let (code, told) = run(&program, &["verify", "config.yaml"]);
        assert_eq!(code, Some(0), "{told}");
        // Other bytes, and the time that it had.
        let other = folder.path().join("near/below").join(other);
        let time = fs::metadata(&other).unwrap().modified().unwrap();
        let mut bytes = fs::read(&other).unwrap();
        let at = bytes.windows(4).rposition(|four| four == 199f32.to_le_bytes()).unwrap();
        bytes[at] ^= 1;
        fs::write(&other, &bytes).unwrap();
        fs::File::open(&other).unwrap().set_modified(time).unwrap();
        let (code, told) = run(&program, &["verify", "config.yaml"]);
        assert_eq!(code, Some(5), "{told}");
        assert!(told.contains("The source is compared as it is now"), "{told}");
        assert!(told.contains("changed") && told.contains("1 row is changed"), "{told}");
    }
}
