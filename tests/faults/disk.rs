//! A disk that takes no more: whatever is written then, the run ends with an error that says so, and is
//! gone on with when there is room.
//!
//! A limit on the size of files stands for the full disk. It works for every user on every machine, and
//! fails a write in the same way.

use crate::support::Folder;

const ROWS: u64 = 40_000;

/// A run of made-up rows.
struct Case {
    sink: &'static str,
    more: &'static str,
    flags: &'static [&'static str],
}

impl Case {
    fn folder(&self) -> Folder {
        let folder = Folder::new();
        folder.write(
            "run.yaml",
            &format!(
                "version: 1\n\
                 source: {{ synthetic: {{ rows: {ROWS}, dim: 16, split_rows: 20000, ids: random }} }}\n\
                 sink: {{ {} }}\n{}",
                self.sink, self.more
            ),
        );
        folder
    }

    /// Runs with files of at most `blocks` of 512 bytes: exit code, and what it said. (A shell that
    /// counts in larger blocks gives more room; the files here are much larger than any of both.)
    fn run_limited(&self, folder: &Folder, blocks: u32) -> (i32, String) {
        let program = folder.command(&["run", "run.yaml"]);
        let words = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = std::process::Command::new("sh");
        command.arg("-c").arg(words).arg(program.get_program()).args(program.get_args());
        command.args(self.flags).current_dir(folder.path(""));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap_or_else(|| panic!("killed: {said}")), said)
    }

    /// Runs without a limit, to the end.
    fn goes_on(&self, folder: &Folder, verify: bool) {
        let done = folder.run(&[&["run.yaml"], self.flags].concat());
        assert_eq!(done.code, 0, "{}: {}", self.sink, done.stderr);
        assert_eq!(done.report["tables"][0]["rows_written"], ROWS, "{}", self.sink);
        if verify {
            let verified = folder.pipeline(&["verify", "run.yaml"]);
            assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
        }
    }
}

#[test]
fn files_of_a_sink_do_not_fit() {
    for sink in ["parquet: { dir: out }", "hdf5: { dir: out }"] {
        let case = Case { sink, more: "", flags: &[] };
        let folder = case.folder();
        // The journal fits.
        let (code, words) = case.run_limited(&folder, 600);
        assert_eq!(code, 1, "{sink}: {words}");
        assert!(words.contains("File too large"), "{sink}: {words}");
        assert!(words.contains("out/synthetic"), "{sink}: {words}");
        case.goes_on(&folder, true);
    }
}

#[test]
fn a_stage_does_not_fit() {
    let more = "stage: { parquet: { dir: staged } }\n";
    let case = Case { sink: "\"null\": {}", more, flags: &[] };
    let folder = case.folder();
    let (code, words) = case.run_limited(&folder, 600);
    assert_eq!(code, 1, "{words}");
    assert!(words.contains("File too large") && words.contains("stage"), "{words}");
    case.goes_on(&folder, false);
}

/// From a limit that lets no journal be made to one that it reaches in the middle.
#[test]
fn a_journal_does_not_fit() {
    let sink = "\"null\": { delay_ms: 1 }";
    let case = Case { sink, more: "run: { batch_rows: 20, parallelism: 1 }\n", flags: &[] };
    for blocks in [8, 64, 150] {
        let folder = case.folder();
        let (code, words) = case.run_limited(&folder, blocks);
        assert_eq!(code, 1, "{blocks}: {words}");
        assert!(words.contains("the journal"), "{blocks}: {words}");
        assert!(words.contains("run.state_dir"), "{blocks}: {words}");
        case.goes_on(&folder, false);
    }
}

/// Ids that are looked for twice are kept on disk where memory is short.
#[test]
fn files_of_ids_do_not_fit() {
    let more = "transforms: [ { dedupe: {} } ]\n";
    let case = Case { sink: "parquet: { dir: out }", more, flags: &["--memory", "64KiB"] };
    let folder = case.folder();
    let (code, words) = case.run_limited(&folder, 100);
    assert_eq!(code, 1, "{words}");
    assert!(words.contains("a temporary file of ids"), "{words}");
    assert!(!folder.path("out").exists(), "nothing has moved");
    case.goes_on(&folder, true);
    let left: Vec<_> = std::fs::read_dir(folder.path(".pipeline"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_str().is_none_or(|name| name.starts_with("ids")))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
