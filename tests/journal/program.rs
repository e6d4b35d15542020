//! The program as users run it: in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a configuration.
pub struct Program {
    dir: TempDir,
}

/// How the program ended.
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    pub fn new(config: &str) -> Program {
        let program = Program { dir: tempfile::tempdir().unwrap() };
        program.write(config);
        program
    }

    /// Replaces the configuration.
    pub fn write(&self, config: &str) {
        std::fs::write(self.path("config.yaml"), config).unwrap();
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, subcommand: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("pipeline"));
        command.args([subcommand, "config.yaml"]).args(flags).current_dir(self.dir.path());
        command.env_remove("RUST_LOG").env("RUST_BACKTRACE", "0");
        command
    }

    pub fn ended(&self, subcommand: &str, flags: &[&str]) -> Done {
        let output = self.command(subcommand, flags).output().unwrap();
        Done {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `run` with a report.
    pub fn run(&self, flags: &[&str]) -> (Done, Value) {
        let flags = [flags, &["--report", "report.json"]].concat();
        let done = self.ended("run", &flags);
        let report = std::fs::read_to_string(self.path("report.json"));
        (done, report.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap()))
    }

    /// `run` in the background.
    pub fn start(&self, flags: &[&str]) -> Child {
        let mut command = self.command("run", flags);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// What the program says, without what differs each time.
    pub fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.dir.path().display().to_string(), "DIR");
        let words: Vec<_> = text.split_inclusive([' ', '\n']).collect();
        let digit = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
        let mut plain = String::new();
        for word in words {
            let is_day = digit(word) && word.matches('-').count() == 2;
            let is_time = digit(word) && word.matches(':').count() == 2;
            match (is_day, is_time) {
                (true, _) => plain.push_str("DAY "),
                (_, true) => plain.push_str("TIME "),
                _ => plain.push_str(word),
            }
        }
        plain
    }
}
