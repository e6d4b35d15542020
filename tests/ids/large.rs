//! Random ids in memory of a fixed size.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use vecpipe::flow::{Controls, Plan, Settings, check_ids};

use crate::common::components::{sink, source, transform};
use crate::common::{self, run_planned};

const MIB: u64 = 1 << 20;

fn size_of_folder(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(of) if of.is_dir() => size_of_folder(&entry.path()),
        Ok(of) => of.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// As many ids as the default memory of 512 MiB is meant for.
const MEANT_FOR: u64 = 200_000_000;

/// A fortieth of the rows and less of the memory, so that it takes seconds. `VECPIPE_ROWS=200000000`
/// takes minutes and gigabytes of disk; `VECPIPE_IDS` is `random` or `sequential`.
#[tokio::test(flavor = "multi_thread")]
async fn random_ids_are_deduped_in_memory_that_does_not_grow_with_them() {
    let rows: u64 = std::env::var("VECPIPE_ROWS").map_or(MEANT_FOR / 40, |n| n.parse().unwrap());
    let ids = std::env::var("VECPIPE_IDS").unwrap_or_else(|_| "random".to_owned());
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let memory = (512 * MIB * rows / MEANT_FOR).clamp(16 * MIB, 512 * MIB);
    let settings = json!({ "rows": rows, "dim": 1, "ids": ids, "distinct_ids": rows / 10 * 9 });
    let transforms = vec![transform("dedupe", json!({}))];
    let state_dir = dir.path().join("state");
    let pipeline = common::pipeline(
        source("synthetic", settings),
        transforms,
        sink("null", json!({})),
        Settings { state_dir, ..common::settings(2, memory) },
    );
    let (peak, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let watch = std::thread::spawn({
        let (peak, ended, dir) = (Arc::clone(&peak), Arc::clone(&ended), dir.path().to_owned());
        move || {
            while !ended.load(Ordering::Relaxed) {
                peak.fetch_max(size_of_folder(&dir), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    });
    let start = Instant::now();
    let plan = Plan::make(&pipeline).await.unwrap();
    check_ids(&pipeline, &plan, &Controls::default()).await.unwrap();
    let surveyed = start.elapsed();
    let left_out = plan.targets[0].left_out.get().unwrap().rows();
    let (tables, outcome) = run_planned(pipeline, plan, Controls::default()).await;
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    ended.store(true, Ordering::Relaxed);
    watch.join().unwrap();
    let written = tables[0].meter.rows_written.get();
    assert_eq!(written + left_out, rows);
    assert_eq!(tables[0].meter.rows_deduplicated.get(), left_out);
    let resident = vecpipe::report::peak_rss_bytes().unwrap();
    println!(
        "{rows} {ids} ids, {left_out} left out: surveyed in {:.0} s, all in {:.0} s, \
         peak {} MiB resident, {} MiB on disk",
        surveyed.as_secs_f64(),
        start.elapsed().as_secs_f64(),
        resident / MIB,
        peak.load(Ordering::Relaxed) / MIB
    );
    assert!(resident < memory + 150 * MIB, "{} MiB", resident / MIB);
}
