//! kill −9 at random moments, and again, until the run is done: the target equals the source.

use std::path::Path;

use arrow::compute::{SortOptions, sort_to_indices, take_record_batch};
use arrow_array::RecordBatch;
use serde_json::{Value, json};

use crate::common::components::source;
use crate::common::kill::{Random, is_done, kill_at, settled};
use crate::common::read::{Way, read_table};
use crate::program::Program;
use crate::support::block_on;

const ROWS: u64 = 60_000;

fn settings() -> Value {
    json!({ "rows": ROWS, "dim": 16, "split_rows": 1500, "ids": "random" })
}

/// All rows of a source, by id.
pub fn rows(kind: &str, settings: Value) -> RecordBatch {
    block_on(async {
        let source = source(kind, settings);
        let table = source.tables().await.unwrap().remove(0);
        let rows = read_table(&*source, &table, 1, &Way::PLAIN.context()).await.unwrap();
        let order = sort_to_indices(rows.column(0), Some(SortOptions::default()), None).unwrap();
        take_record_batch(&rows, &order).unwrap()
    })
}

pub fn assert_same(one: &RecordBatch, other: &RecordBatch) {
    assert_eq!(one.num_rows(), other.num_rows());
    for (a, b) in one.columns().iter().zip(other.columns()) {
        assert_eq!(a, b);
    }
}

/// Kills the run whenever so many more rows are settled, until it gets to its end; says how often.
fn until_done(program: &Program, random: &mut Random) -> u32 {
    for kills in 0.. {
        let settled = || settled(program.dir(), "config.yaml");
        // The first time as soon as anything is there: a fast machine is done before long.
        let enough = settled() + if kills == 0 { 1 } else { random.below(ROWS / 4) };
        let parallelism = (1 + random.below(4)).to_string();
        let memory = format!("{}KiB", 64 << random.below(6));
        let flags = ["-q", "--parallelism", &parallelism, "--memory", &memory];
        let mut child = program.start(&flags);
        if !kill_at(&mut child, enough, settled) {
            let code = child.wait().unwrap().code();
            if code != Some(0) {
                panic!("ended with {code:?}: {}", program.ended("status", &[]).stdout);
            }
            return kills;
        }
        // The next run would be a new one.
        if is_done(program.dir(), "config.yaml") {
            return kills;
        }
    }
    0
}

/// A program whose run was killed at least once, and is done.
fn killed(config: &str, random: &mut Random) -> Program {
    for _ in 0..10 {
        let program = Program::new(config);
        if until_done(&program, random) > 0 {
            return program;
        }
    }
    panic!("ten runs were done before they could be killed");
}

fn config(sink: &str, more: &str) -> String {
    format!(
        "version: 1\n\
         source: {{ synthetic: {{ rows: {ROWS}, dim: 16, split_rows: 1500, ids: random }} }}\n\
         sink: {{ {sink} }}\n\
         run: {{ batch_rows: 20 }}\n{more}"
    )
}

fn no_leftovers(folder: &Path) {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let hidden: Vec<_> = names.filter(|name| name.to_str().unwrap().starts_with('.')).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn parquet_files_are_whole_after_any_number_of_kills() {
    let mut random = Random::of(1);
    let program = killed(&config("parquet: { dir: out }", ""), &mut random);
    no_leftovers(&program.path("out/synthetic/_default"));
    let there = rows("parquet", json!({ "paths": [program.path("out")] }));
    assert_same(&there, &rows("synthetic", settings()));
}

#[test]
fn hdf5_files_are_whole_after_any_number_of_kills() {
    let mut random = Random::of(2);
    let program = killed(&config("hdf5: { dir: out, max_rows_per_file: 7000 }", ""), &mut random);
    no_leftovers(&program.path("out/synthetic"));
    let there = rows("hdf5", json!({ "dir": program.path("out/synthetic") }));
    assert_same(&there, &rows("synthetic", settings()));
}

/// Appending keeps the old rows, once.
#[test]
fn old_rows_stay_when_a_run_that_appends_is_killed() {
    let mut random = Random::of(3);
    for (kind, sink) in [
        ("parquet", "parquet: { dir: out, mode: append }"),
        ("hdf5", "hdf5: { dir: out, mode: append, max_rows_per_file: 9000 }"),
    ] {
        let old = config(sink, "").replace(&format!("rows: {ROWS}"), "rows: 5000");
        let program = Program::new(&old.replace("ids: random", "seed: 7, ids: random"));
        assert_eq!(program.run(&["-q"]).0.code, Some(0));
        program.write(&config(sink, ""));
        until_done(&program, &mut random);
        let place = match kind {
            "parquet" => json!({ "paths": [program.path("out")] }),
            _ => json!({ "dir": program.path("out/synthetic") }),
        };
        assert_eq!(rows(kind, place).num_rows() as u64, ROWS + 5000, "{kind}");
    }
}

/// A stage beside a sink that counts rows, and ids that are given anew.
#[test]
fn stage_and_remap_are_whole_after_any_number_of_kills() {
    let mut random = Random::of(4);
    let more = "stage: { parquet: { dir: staged } }\n\
                transforms: [ { remap: { strategy: sequential, first: 100 } } ]\n";
    let program = killed(&config("\"null\": { delay_ms: 1 }", more), &mut random);
    let staged = rows("parquet", json!({ "paths": [program.path("staged")] }));
    let expected = rows("synthetic", json!({ "rows": ROWS, "dim": 16, "first_id": 100 }));
    assert_eq!(staged.column(0), expected.column(0), "each new id once");
    assert_eq!(staged.num_rows() as u64, ROWS);
    let file = std::fs::File::open(program.path("remap.parquet")).unwrap();
    let ids = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(ids.metadata().file_metadata().num_rows() as u64, ROWS);
}
