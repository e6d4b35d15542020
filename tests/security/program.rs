//! The program in a folder of its own, and everything that it leaves there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub struct Program {
    dir: TempDir,
}

impl Program {
    /// A folder with these files.
    pub fn new(files: &[(&str, &str)]) -> Program {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        Program { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("pipeline"));
        command.args(words).current_dir(self.path()).env_remove("RUST_LOG");
        command
    }

    /// A shell, in which `$PIPELINE` is the program.
    pub fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.path()).env_remove("RUST_LOG");
        command.env("PIPELINE", assert_cmd::cargo::cargo_bin!("pipeline"));
        command
    }

    /// Files below the folder, at any depth.
    pub fn files(&self) -> Vec<PathBuf> {
        let (mut folders, mut files) = (vec![self.path().to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }
}

/// The address of a test server.
pub fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run the tests with scripts/test, which starts the servers")
    })
}
