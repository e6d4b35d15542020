//! The command line's frame: help, exit codes, where output goes.

#![allow(clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;

fn pipeline(dir: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("pipeline"));
    command.current_dir(dir).env_remove("RUST_LOG").env_remove("NO_COLOR");
    command
}

const GOOD: &str = "version: 1\nsource: { synthetic: { rows: 5, dim: 4 } }\nsink: { null: {} }\n";

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

#[test]
fn validate_says_what_it_understood() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("a.yaml"), GOOD).expect("written");
    let done = pipeline(dir.path())
        .args(["validate", "a.yaml", "--set", "transforms=[{rename: {vector: v}}]"])
        .assert()
        .code(0);
    insta::assert_snapshot!(text(&done.get_output().stdout), @r"
    a.yaml: ok
      form        native
      source      synthetic
      transforms  rename
      sink        null
    ");
    assert_eq!(text(&done.get_output().stderr), "");
}

#[test]
fn every_config_file_is_valid() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let dir = tempfile::tempdir().expect("a temporary folder");
    for entry in fs::read_dir(configs).expect("the folder configs") {
        let path = entry.expect("an entry").path();
        pipeline(dir.path()).arg("validate").arg(path).assert().code(0);
    }
}

#[test]
fn validate_reads_standard_input() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    pipeline(dir.path()).args(["validate", "-"]).write_stdin(GOOD).assert().code(0);
    let done = pipeline(dir.path()).args(["validate", "-"]).write_stdin("a").assert().code(2);
    insta::assert_snapshot!(text(&done.get_output().stderr), @r"
    error: Expected a map with `version`, `source` and `sink`, found a text
      where: standard input:1:1
        |
      1 | a
        | ^
      help: a configuration names a source and a sink:
        version: 1
        source: { hdf5: { paths: [vectors.h5] } }
        sink: { milvus: { uri: http://127.0.0.1:19530, collection: test } }
    ");
}

#[test]
fn a_component_whose_settings_contradict_each_other_is_found_offline() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("a.yaml"), GOOD.replace("dim: 4", "dim: 0")).expect("written");
    let done = pipeline(dir.path()).args(["validate", "a.yaml"]).assert().code(2);
    insta::assert_snapshot!(text(&done.get_output().stderr), @r"
    error: source.synthetic.dim is 0
      where: a.yaml
      help: a vector has between 1 and 1048576 dimensions
    ");
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for args in [
        &["run"][..],
        &["frobnicate"],
        &["run", "a.yaml", "--verify", "content"],
        &["run", "a.yaml", "--parallelism", "0"],
        &["run", "a.yaml", "--metrics", "here"],
        &["validate", "missing.yaml"],
        &[],
    ] {
        let done = pipeline(dir.path()).args(args).assert().code(2);
        assert_eq!(text(&done.get_output().stdout), "", "{args:?}");
        assert_ne!(text(&done.get_output().stderr), "", "{args:?}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let done = pipeline(dir.path()).arg("--version").assert().code(0);
    let version = format!("pipeline {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&done.get_output().stdout), version);
    let done = pipeline(dir.path()).args(["run", "--help"]).assert().code(0);
    let help = text(&done.get_output().stdout);
    for flag in [
        "--parallelism",
        "--memory",
        "--set",
        "--restart",
        "--verify",
        "--report",
        "--report-html",
        "--metrics",
        "--log-format",
        "--verbose",
        "--quiet",
    ] {
        assert!(help.contains(flag), "{flag}\n{help}");
    }
}

#[test]
fn errors_are_json_when_logs_are() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let done = pipeline(dir.path())
        .args(["validate", "missing.yaml", "--log-format", "json"])
        .assert()
        .code(2);
    let line: serde_json::Value =
        serde_json::from_slice(&done.get_output().stderr).expect("one line of JSON");
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["exit_code"], 2);
    assert!(line["message"].as_str().is_some_and(|m| m.starts_with("Cannot read")), "{line}");
}

#[test]
fn a_bad_rust_log_is_an_error() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let done = pipeline(dir.path()).arg("schema").env("RUST_LOG", "a=b=c").assert().code(2);
    assert!(text(&done.get_output().stderr).contains("RUST_LOG"));
    pipeline(dir.path()).args(["schema", "-v"]).env("RUST_LOG", "a=b=c").assert().code(0);
}

#[test]
fn completions_are_made_for_every_shell() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let done = pipeline(dir.path()).args(["completions", shell]).assert().code(0);
        assert!(text(&done.get_output().stdout).contains("inspect"), "{shell}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_who_has_gone_is_no_error() {
    use std::process::Stdio;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("pipeline"))
        .arg("schema")
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let done = child.wait_with_output().expect("the program ends");
    assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), String::new()));
}
