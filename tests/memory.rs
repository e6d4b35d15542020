//! Flat memory: a source far larger than the budget, into a sink slower than the source. A test
//! binary of its own, because it looks at the peak memory of the whole process.

#![allow(clippy::expect_used, reason = "a test ends where something is not as expected")]

mod common;

use std::path::Path;

use common::components::{sink, source};
use common::{run_pipeline, settings};
use serde_json::json;
use vecpipe::flow::Controls;

const MIB: u64 = 1 << 20;
/// What the program itself may take, beside the budget for rows.
const FIXED: u64 = 150 * MIB;

fn peak_resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux's /proc");
    let line =
        status.lines().find(|l| l.starts_with("VmHWM:")).expect("the peak of the resident set");
    let kib: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kib << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn four_gigabytes_pass_through_64_mib() {
    let memory = 64 * MIB;
    let rows = 1 << 20;
    let source = source("synthetic", json!({ "rows": rows, "dim": 1023 }));
    let sink = sink("null", json!({ "delay_ms": 4 }));
    let (tables, outcome) =
        run_pipeline(source, sink, settings(8, memory), Controls::default()).await;
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    assert_eq!(tables[0].meter.rows_written.get(), rows);
    assert!(tables[0].meter.bytes_read.get() >= 4 << 30);
    let peak = peak_resident();
    println!("peak resident memory: {} MiB for a budget of 64 MiB", peak / MIB);
    assert!(peak < memory + FIXED, "{} MiB", peak / MIB);
}

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

#[test]
fn two_gigabytes_of_a_faiss_index_pass_through_64_mib() {
    let folder = tempfile::tempdir().expect("a folder");
    write_index(&folder.path().join("large.index"), 1024, 4096, 128);
    let config = json!({
        "version": 1,
        "source": { "faiss": { "paths": ["large.index"] } },
        "sink": { "null": {} },
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).expect("a file");
    let mut run = std::process::Command::new(assert_cmd::cargo::cargo_bin!("pipeline"))
        .args(["run", "config.json", "--memory", "64MiB", "--parallelism", "8", "-q"])
        .current_dir(folder.path())
        .spawn()
        .expect("the program starts");
    let (mut anonymous, mut resident, mut looks) = (0, 0, 0);
    let ended = loop {
        if let Some(ended) = run.try_wait().expect("a child") {
            break ended;
        }
        if let (Some(anon), Some(all)) =
            (status_of(run.id(), "RssAnon:"), status_of(run.id(), "VmRSS:"))
        {
            (anonymous, resident, looks) = (anonymous.max(anon), resident.max(all), looks + 1);
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    assert!(ended.success() && looks > 20, "{ended}, looked {looks} times");
    println!(
        "peak of {looks} looks: {} MiB anonymous, {} MiB with mapped pages",
        anonymous / MIB,
        resident / MIB
    );
    assert!(anonymous < 64 * MIB + FIXED, "{} MiB", anonymous / MIB);
    assert!(resident < 512 * MIB, "mapped pages are let go: {} MiB", resident / MIB);
}
