//! A comparison stays within its memory, however large the two are.

use serde_json::json;

use crate::support::*;

const MIB: u64 = 1 << 20;

/// What the program itself may take, beside the budget for rows: its code, what Parquet decodes into, and
/// what the allocator keeps for a second, in case that it is wanted again.
const FIXED: u64 = 240 * MIB;

#[test]
fn half_a_gigabyte_is_compared_in_32_mib() {
    // 128 Ki rows of 1,023 float32: 512 MiB.
    let source = json!({ "synthetic": { "rows": 1 << 17, "dim": 1023 } });
    let moved = Move::new(source, json!([]), json!({ "parquet": { "compression": "none" } }));
    let done = moved.folder.run(&["config.json", "--parallelism", "4"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let done = moved.verify(&["--parallelism", "4", "--memory", "32MiB"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.report["targets"][0]["rows_in_target"], 1 << 17);
    let peak = done.report["peak_rss_bytes"].as_u64().unwrap();
    println!("peak resident memory: {} MiB for a budget of 32 MiB", peak / MIB);
    assert!(peak < 32 * MIB + FIXED, "{} MiB", peak / MIB);
}
