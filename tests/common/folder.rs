//! The program in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longest time the program may take. A server that has much to do may need minutes.
const HUNG: Duration = Duration::from_secs(400);

/// Where a run takes place.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Copies `file` to `name` in this folder.
    pub fn put(&self, file: &Path, name: &str) {
        let to = self.path(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }

    /// `pipeline ARGUMENTS`, started here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("pipeline"));
        command.args(arguments).current_dir(self.0.path());
        for name in
            ["RUST_LOG", "MILVUS_TOKEN", "MILVUS_URI", "HDF5_FILE", "FAISS_INDEX", "MILVUS1_PATH"]
        {
            command.env_remove(name);
        }
        command
    }

    pub fn pipeline(&self, arguments: &[&str]) -> Done {
        self.ended(&mut self.command(arguments))
    }

    /// `pipeline run ARGUMENTS --report …`.
    pub fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, &[])
    }

    /// The same with environment variables.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Done {
        let mut command = self.command(&["run"]);
        command.args(arguments).args(["--report", "report.json"]);
        self.ended(command.envs(variables.iter().copied()))
    }

    fn ended(&self, command: &mut Command) -> Done {
        let report = self.path("report.json");
        let _ = fs::remove_file(&report);
        let output = output_of(command);
        let report = fs::read_to_string(report).map(|text| serde_json::from_str(&text).unwrap());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let Some(code) = output.status.code() else {
            panic!("{command:?} ended with {}\n{stdout}\n{stderr}", output.status)
        };
        Done { code, stdout, stderr, report: report.unwrap_or(Value::Null) }
    }
}

/// What the program prints; aborted when it takes too long.
fn output_of(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (ended, waiting) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(HUNG) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::ABORT);
            }
        });
        let output = child.wait_with_output().unwrap();
        drop(ended);
        output
    })
}

/// How the program ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub report: Value,
}

impl Done {
    /// The first table of the report, of a run that ended well with this decision.
    #[track_caller]
    pub fn table(&self, decision: &str) -> &Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        let table = &self.report["tables"][0];
        assert_eq!(table["decision"], decision, "{table}");
        table
    }
}
