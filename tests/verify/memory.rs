//! A comparison stays within its memory, however large the two are.

use serde_json::json;

use crate::support::*;

const MIB: u64 = 1 << 20;
/// The budget for rows.
const BUDGET: u64 = 32 * MIB;
/// How many splits are read at once.
const WORKERS: u64 = 16;
/// What each of them may take on top: the pages that the reader of Parquet decodes, which the budget does not know
/// (some 22 MiB of this table), and what the allocator keeps for a second, in case that it is wanted again.
const EACH: u64 = 26 * MIB;

/// The most that a comparison of so many rows of 1,023 float32 had resident.
fn peak(rows: u64, memory: &str) -> u64 {
    let source = json!({ "synthetic": { "rows": rows, "dim": 1023 } });
    let moved = Move::new(source, json!([]), json!({ "parquet": { "compression": "none" } }));
    let done = moved.folder.run(&["config.json", "--parallelism", "4"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let done = moved.verify(&["--parallelism", &WORKERS.to_string(), "--memory", memory]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.report["targets"][0]["rows_in_target"], rows);
    done.report["peak_rss_bytes"].as_u64().unwrap()
}

/// Beside a comparison of one row, which shows what the program takes by itself, and one without a budget, which shows
/// that the limit would be exceeded.
#[test]
fn half_a_gigabyte_is_compared_in_32_mib() {
    let fixed = peak(1, "32MiB");
    let within = peak(1 << 17, "32MiB");
    let without = peak(1 << 17, "64GiB");
    let limit = fixed + BUDGET + WORKERS * EACH;
    println!(
        "{} MiB by itself, {} MiB with a budget of 32 MiB, {} MiB without one, limit {} MiB",
        fixed / MIB,
        within / MIB,
        without / MIB,
        limit / MIB
    );
    assert!(within < limit, "{} MiB", within / MIB);
    assert!(without > limit, "nothing would be noticed: {} MiB", without / MIB);
}
