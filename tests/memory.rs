//! Flat memory: sources far larger than the budget, into sinks slower than the source. Each budget is measured
//! beside a run of next to nothing, which shows what the program takes by itself, and a run without a budget,
//! which shows that the limit would be exceeded.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test ends where something is not as expected, and tells what it measured"
)]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const MIB: u64 = 1 << 20;
/// The budget for rows.
const BUDGET: u64 = 64 * MIB;
/// What may come on top: what the allocator keeps for a second, and what readers hold beside their batches.
const SLACK: u64 = 64 * MIB;
/// As many as would take several times the budget by what they hold at once.
const WORKERS: &str = "32";
/// As good as no budget.
const WITHOUT: &str = "64GiB";

/// A Faiss index of `lists` lists of `list_rows` vectors, all zeros: a file with holes, which takes
/// no room on the disk.
fn write_index(path: &Path, lists: u64, list_rows: u64, dim: u64) {
    let header = |rows: u64| {
        let (dim, rows) = ((dim as u32).to_le_bytes(), rows.to_le_bytes());
        [&dim[..], &rows, &[0; 16], &[1], &1u32.to_le_bytes()].concat()
    };
    let quantizer = [b"IxF2", &header(0)[..], &[0; 8]].concat();
    let mut head = [b"IwFl".to_vec(), header(lists * list_rows), lists.to_le_bytes().to_vec()];
    head[2].extend([1, 0, 0, 0, 0, 0, 0, 0]);
    let mut bytes = head.concat();
    bytes.extend(quantizer);
    bytes.extend([0; 9]);
    bytes.extend(b"ilar");
    [lists, dim * 4].into_iter().for_each(|n| bytes.extend(n.to_le_bytes()));
    bytes.extend(b"full");
    bytes.extend(lists.to_le_bytes());
    (0..lists).for_each(|_| bytes.extend(list_rows.to_le_bytes()));
    std::fs::write(path, &bytes).expect("a file");
    let size = bytes.len() as u64 + lists * list_rows * (dim * 4 + 8);
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("the file");
    file.set_len(size).expect("a file with holes");
}

/// A line of a process's status, in bytes.
fn status_of(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

/// The most that a run had at once: memory of its own, and that with pages of mapped files.
#[derive(Debug)]
struct Peak {
    own: u64,
    resident: u64,
}

/// Runs a source into a sink that takes its time.
fn peak(folder: &Path, source: &Value, memory: &str) -> Peak {
    let sink = json!({ "null": { "delay_ms": 20 } });
    let config = json!({ "version": 1, "source": source, "sink": sink });
    std::fs::write(folder.join("config.json"), config.to_string()).expect("a file");
    let mut run = Command::new(assert_cmd::cargo::cargo_bin!("pipeline"))
        .args(["run", "config.json", "--restart", "-q", "--memory", memory])
        .args(["--parallelism", WORKERS])
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut peak = Peak { own: 0, resident: 0 };
    let ended = loop {
        if let Some(ended) = run.try_wait().expect("a child") {
            break ended;
        }
        if let (Some(own), Some(all)) =
            (status_of(run.id(), "RssAnon:"), status_of(run.id(), "VmHWM:"))
        {
            peak = Peak { own: peak.own.max(own), resident: peak.resident.max(all) };
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    assert!(ended.success(), "{ended}");
    peak
}

/// Asserts that `large` passes through the budget, and that it would not without one; what that took.
fn stays_within(folder: &Path, small: &Value, large: &Value) -> Peak {
    let fixed = peak(folder, small, "64MiB");
    let within = peak(folder, large, "64MiB");
    let without = peak(folder, large, WITHOUT);
    let limit = fixed.own + BUDGET + SLACK;
    println!(
        "{} MiB by itself, {} MiB with a budget of 64 MiB, {} MiB without one, limit {} MiB",
        fixed.own / MIB,
        within.own / MIB,
        without.own / MIB,
        limit / MIB
    );
    assert!(within.own < limit, "{within:?}");
    assert!(without.own > limit, "nothing would be noticed: {without:?}");
    within
}

#[test]
fn two_gigabytes_of_made_up_rows_pass_through_64_mib() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = |rows: u64| json!({ "synthetic": { "rows": rows, "dim": 1023 } });
    stays_within(folder.path(), &rows(1), &rows(1 << 19));
}

#[test]
fn two_gigabytes_of_a_faiss_index_pass_through_64_mib() {
    let folder = tempfile::tempdir().expect("a folder");
    let index = |name: &str, lists| {
        let path = folder.path().join(name);
        write_index(&path, lists, 4096, 128);
        json!({ "faiss": { "paths": [path] } })
    };
    let (small, large) = (index("small.index", 1), index("large.index", 1024));
    let within = stays_within(folder.path(), &small, &large);
    assert!(within.resident < 512 * MIB, "mapped pages are let go: {within:?}");
}
