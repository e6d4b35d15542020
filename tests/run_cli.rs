//! `pipeline run` from end to end: what it prints, what it leaves behind, how it ends.

#![allow(clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a configuration that moves made-up rows into the null sink.
struct Case {
    dir: TempDir,
    config: PathBuf,
}

impl Case {
    fn new(source: &str, sink: &str) -> Case {
        Case::named("config.yaml", source, sink)
    }

    fn named(name: &str, source: &str, sink: &str) -> Case {
        let dir = tempfile::tempdir().expect("a folder");
        let config = dir.path().join(name);
        let text = format!(
            "version: 1\nsource:\n  synthetic: {{ {source} }}\nsink:\n  \"null\": {{ {sink} }}\n\
             run: {{ parallelism: 2, memory: 16MiB, batch_rows: 100 }}\n"
        );
        std::fs::write(&config, text).expect("a config file");
        Case { dir, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("pipeline"));
        command.arg(subcommand).arg(&self.config).current_dir(self.dir.path());
        command.env_remove("RUST_LOG").env("RUST_BACKTRACE", "0");
        command
    }

    /// Runs to the end with `--report`: exit code, stdout, stderr, report.
    fn run(&self, flags: &[&str]) -> (i32, String, String, Value) {
        let report = self.path("report.json");
        let output = self
            .command("run")
            .arg("--report")
            .arg(&report)
            .args(flags)
            .output()
            .expect("the program runs");
        (
            output.status.code().expect("an exit code"),
            String::from_utf8(output.stdout).expect("text"),
            String::from_utf8(output.stderr).expect("text"),
            read_json(&report),
        )
    }

    /// Starts in the background with `--report`.
    fn start(&self, flags: &[&str]) -> Running {
        let mut command = self.command("run");
        command.arg("--report").arg(self.path("report.json")).args(flags);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        Running { child, stderr }
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("a report")).expect("JSON")
}

/// A run in the background; killed when a test fails half-way.
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    /// Reads stderr until a line contains `words`.
    fn wait_for(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            let read = self.stderr.read_line(&mut line).expect("stderr can be read");
            assert!(read > 0, "the run ended without saying `{words}`");
        }
    }

    #[cfg(unix)]
    fn interrupt(&self) {
        let kill = format!("kill -INT {}", self.child.id());
        let killed = Command::new("sh").args(["-c", &kill]).status().expect("sh runs");
        assert!(killed.success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has usually ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_run_prints_its_result_and_reports_it() {
    let case = Case::new("rows: 2500, dim: 4, split_rows: 1000, metric: L2", "");
    let (code, stdout, stderr, report) = case.run(&[]);
    assert_eq!(code, 0, "{stderr}");
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "SOURCE     TARGET               DECISION   READ  WRITTEN  BEFORE  AFTER  VERIFIED",
            "synthetic  nowhere (synthetic)  created   2,500    2,500       0  2,500  count",
        ],
        "{stdout}"
    );
    assert!(lines[2].starts_with("Done: 2,500 rows written in "), "{stdout}");
    assert_eq!(lines.len(), 3, "{stdout}");
    assert!(
        stderr.contains("Creating nowhere (synthetic) for 2,500 rows of synthetic"),
        "{stderr}"
    );

    assert_eq!(report["status"], "succeeded");
    assert_eq!(report["exit_code"], 0);
    assert_eq!(report["error"], Value::Null);
    assert_eq!(report["source_kind"], "synthetic");
    assert_eq!(report["config"], case.config.display().to_string());
    assert!(report["started_at"].as_str().is_some_and(|at| at.len() == 20 && at.ends_with('Z')));
    assert!(report["duration_s"].is_f64(), "{report}");
    assert!(report["bytes_read"].as_u64().is_some_and(|bytes| bytes >= 2500 * (8 + 16)));
    assert_eq!(report["retries"], 0);
    #[cfg(target_os = "linux")]
    assert!(report["peak_rss_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{report}");
    let [table] = report["tables"].as_array().expect("tables").as_slice() else {
        panic!("one table: {report}")
    };
    let expected = serde_json::json!({
        "source": "synthetic", "target": "nowhere (synthetic)", "status": "complete",
        "decision": "created", "vector_type": "float32", "dim": 4, "metric": "L2",
        "rows_planned": 2500, "rows_read": 2500, "rows_deduplicated": 0, "rows_remapped": 0,
        "rows_rejected": 0, "rows_skipped": 0, "rows_written": 2500, "rows_replaced": 0,
        "retries": 0, "target_rows_before": 0, "target_rows_after": 2500, "checksum": null,
        "verified": "count", "notes": [],
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&table[field], value, "{field}");
    }
}

#[test]
fn an_empty_table_and_no_verification_are_fine() {
    let case = Case::new("rows: 0, dim: 4", "");
    let (code, stdout, _, report) = case.run(&["--verify", "none"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("synthetic  nowhere (synthetic)  created      0        0"), "{stdout}");
    assert_eq!(report["tables"][0]["status"], "complete");
    assert_eq!(report["tables"][0]["verified"], "none");
}

#[test]
fn quiet_says_nothing_on_stderr_and_json_logs_are_json() {
    let case = Case::new("rows: 10, dim: 4", "");
    let (code, stdout, stderr, _) = case.run(&["-q"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("Done: 10 rows"), "{stdout}");
    let (_, _, stderr, _) = case.run(&["--log-format", "json"]);
    assert!(!stderr.is_empty());
    for line in stderr.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn the_page_escapes_what_others_wrote() {
    let source = "rows: 10, dim: 4, table: '<script>alert(1)</script>'";
    let case = Case::named("a<b>&.yaml", source, "");
    let (code, _, stderr, _) = case.run(&["--report-html", "report.html"]);
    assert_eq!(code, 0, "{stderr}");
    let page = std::fs::read_to_string(case.path("report.html")).expect("a page");
    assert!(page.contains("<td>&lt;script&gt;alert(1)&lt;/script&gt;<td>"), "{page}");
    assert!(page.contains("a&lt;b&gt;&amp;.yaml"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("http"), "nothing is loaded from elsewhere: {page}");
}

#[test]
fn a_sink_that_fails_fails_the_run() {
    let case = Case::new("rows: 100000, dim: 4, split_rows: 1000", "fail_after_rows: 500");
    let (code, stdout, stderr, report) = case.run(&["--report-html", "report.html"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("error: The null sink was told to fail at row 500\n"), "{stderr}");
    assert!(stderr.contains("\n  where: table synthetic, split "), "{stderr}");
    assert!(stdout.contains("created, incomplete"), "{stdout}");
    assert!(stdout.contains("\nFailed: "), "{stdout}");
    assert_eq!(report["status"], "failed");
    assert_eq!(report["exit_code"], 1);
    assert_eq!(report["error"]["kind"], "target");
    assert_eq!(report["tables"][0]["status"], "incomplete");
    assert_eq!(report["tables"][0]["verified"], "none");
    assert_eq!(report["tables"][0]["target_rows_after"], Value::Null);
    let page = std::fs::read_to_string(case.path("report.html")).expect("a page");
    assert!(page.contains("told to fail at row 500"), "{page}");
}

#[test]
fn a_panic_ends_the_run_with_a_message() {
    let case = Case::new("rows: 10000, dim: 4", "fail_after_rows: 500, panic: true");
    let (code, _, stderr, report) = case.run(&[]);
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("error: A worker panicked: the null sink was told to panic at row 500"),
        "{stderr}"
    );
    assert_eq!(report["error"]["kind"], "internal");
}

#[test]
fn a_wrong_configuration_is_reported_too() {
    let case = Case::new("rows: 10, dim: 0", "");
    let (code, stdout, stderr, report) = case.run(&[]);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert_eq!(report["status"], "failed");
    assert_eq!(report["exit_code"], 2);
    assert_eq!(report["error"]["kind"], "config");
    assert_eq!(report["tables"], serde_json::json!([]));
}

#[test]
fn a_report_that_cannot_be_written_stops_before_anything_moves() {
    let case = Case::new("rows: 10, dim: 4", "");
    let output = case
        .command("run")
        .args(["--report", "no/such/folder/report.json"])
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("error: Cannot write the report: "), "{stderr}");
    assert!(stderr.contains("where: no/such/folder/report.json"), "{stderr}");
    assert!(output.stdout.is_empty());
}

#[cfg(unix)]
#[test]
fn the_first_interrupt_lets_writes_end() {
    let case = Case::new("rows: 1000000, dim: 4, split_rows: 1000", "delay_ms: 50");
    let mut run = case.start(&[]);
    run.wait_for("Creating nowhere");
    run.interrupt();
    run.wait_for("Stopping: letting writes in flight end; again to end at once");
    run.wait_for("error: Interrupted");
    assert_eq!(run.exit_code(), Some(130));
    let report = read_json(&case.path("report.json"));
    assert_eq!(report["status"], "interrupted");
    assert_eq!(report["exit_code"], 130);
    let table = &report["tables"][0];
    assert_eq!(table["rows_read"], table["rows_written"], "every row read was acknowledged");
    assert_ne!(table["status"], "complete");
}

#[cfg(unix)]
#[test]
fn the_second_interrupt_ends_at_once() {
    // A write takes an hour: only its cancellation ends this test.
    let case = Case::new("rows: 10000, dim: 4", "delay_ms: 3600000");
    let address = free_address();
    let mut run = case.start(&["--metrics", &address.to_string()]);
    rows_are_read(address);
    run.interrupt();
    run.wait_for("Stopping");
    run.interrupt();
    run.wait_for("Ending at once");
    assert_eq!(run.exit_code(), Some(130));
    let report = read_json(&case.path("report.json"));
    assert_eq!(report["status"], "interrupted");
    assert_eq!(report["tables"][0]["rows_written"], 0);
}

#[cfg(unix)]
#[test]
fn metrics_are_served_while_rows_move() {
    let case = Case::new("rows: 10000, dim: 4, table: 'a \"table\"'", "delay_ms: 3600000");
    let address = free_address();
    let mut run = case.start(&["--metrics", &address.to_string()]);
    let page = rows_are_read(address);
    let labels = r#"table="a \"table\"",target="nowhere (a \"table\")""#;
    for metric in [
        format!("vecpipe_rows_planned{{{labels}}} 10000"),
        format!("vecpipe_rows_written_total{{{labels}}} 0"),
        format!("vecpipe_table_complete{{{labels}}} 0"),
        format!("vecpipe_stage_seconds{{{labels},stage=\"reading\"}} "),
        "vecpipe_memory_budget_bytes 16777216".to_owned(),
        "vecpipe_memory_free_bytes ".to_owned(),
    ] {
        assert!(page.contains(&metric), "{metric}: {page}");
    }
    run.interrupt();
    run.wait_for("Stopping");
    run.interrupt();
    assert_eq!(run.exit_code(), Some(130));
}

#[test]
fn a_metrics_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let case = Case::new("rows: 10, dim: 4", "");
    let (code, stdout, stderr, _) = case.run(&["--metrics", &address]);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains(&format!("error: Cannot serve metrics at {address}: ")), "{stderr}");
}

#[cfg(unix)]
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port")
}

/// Waits until the metrics say that rows were read, so that a write is in flight, and gives them.
#[cfg(unix)]
fn rows_are_read(address: SocketAddr) -> String {
    let rows = |page: &str| {
        let line = page.lines().find(|line| line.starts_with("vecpipe_rows_read_total{"))?;
        line.rsplit(' ').next()?.parse::<u64>().ok()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let page = scrape(address).unwrap_or_default();
        if rows(&page).is_some_and(|rows| rows > 0) {
            return page;
        }
        assert!(Instant::now() < deadline, "no rows were read within a minute: {page}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(unix)]
fn scrape(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

#[test]
fn a_plan_shows_tables_targets_and_what_an_estimate_rests_on() {
    let case = Case::new("rows: 2500, dim: 4, split_rows: 1000, metric: IP", "");
    let output = case.command("plan").output().expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).expect("text");
    assert!(stdout.is_ascii(), "{stdout}");
    let (plan, time) = stdout.split_once("Time: ").expect("an estimate");
    assert_eq!(
        plan.lines().collect::<Vec<_>>(),
        [
            "Source: synthetic",
            "",
            "  TABLE       ROWS     SIZE  SPLITS  VECTORS      METRIC",
            "  synthetic  2,500  60.0 kB       3  float32 x 4  IP",
            "",
            "Target: null",
            "",
            "  TABLE      TARGET               DECISION  ROWS NOW",
            "  synthetic  nowhere (synthetic)  create    none yet",
            "",
            "Total: 1 table, 2,500 rows, 60.0 kB",
        ]
    );
    assert!(time.starts_with("about ") && time.contains(" to read at "), "{time}");
}

#[test]
fn a_place_that_nobody_knows_is_an_error() {
    let case = Case::new("rows: 1, dim: 1", "");
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("pipeline"));
    let output = command
        .args(["inspect", "no-such-thing.xyz"])
        .current_dir(case.dir.path())
        .output()
        .expect("the program runs");
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.starts_with("error: There is no file or folder `no-such-thing.xyz`"), "{error}");
}

/// A stage has a mode of its own: what it keeps does not hold up what moves.
#[test]
fn a_stage_that_is_left_alone_does_not_stop_the_run() {
    let case = Case::new("rows: 2500, dim: 4, split_rows: 1000", "");
    let mut text = std::fs::read_to_string(&case.config).expect("the config");
    text.push_str("stage: { parquet: { dir: staged, mode: skip } }\n");
    std::fs::write(&case.config, text).expect("a config file");
    let parts = || {
        let mut parts: Vec<_> = std::fs::read_dir(case.path("staged/synthetic/_default"))
            .expect("a staged table")
            .map(|entry| entry.expect("an entry").metadata().and_then(|m| m.modified()))
            .collect::<Result<_, _>>()
            .expect("times");
        parts.sort();
        parts
    };
    let (code, _, stderr, _) = case.run(&[]);
    assert_eq!(code, 0, "{stderr}");
    let staged = parts();
    let (code, _, stderr, report) = case.run(&[]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(report["tables"][0]["rows_written"], 2500);
    assert_eq!(parts(), staged, "the staged files are as they were");
}
