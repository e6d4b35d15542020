//! Flat memory: a source far larger than the budget, into a sink slower than the source. A test
//! binary of its own, because it looks at the peak memory of the whole process.

#![allow(clippy::expect_used, reason = "a test ends where something is not as expected")]

mod common;

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
