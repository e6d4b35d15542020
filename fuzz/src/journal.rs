//! What is left of an earlier run: its journal, damaged.

use std::fs;
use std::path::Path;

use vecpipe::flow::{EarlierRun, JournalFile, Pipeline, Plan};
use vecpipe::milvus::Generation;
use vecpipe::{Purpose, Result, assemble};

use super::database::{self, Kind};
use super::rows;

const CONFIG: &str = "{ version: 1, sink: { \"null\": {} }, run: { memory: 8MiB, parallelism: 1 },
    source: { synthetic: { rows: 100, dim: 2, split_rows: 40 } } }";

/// The journal's tables; of no type, so that anything fits.
const SCHEMA: &str = "
    CREATE TABLE run (one INTEGER PRIMARY KEY, started, plan, ended);
    CREATE TABLE target (target, memo, completion);
    CREATE TABLE split (target, split, settled, sent, finished, totals, receipts);
    PRAGMA application_id = 0x76656370;
    PRAGMA user_version = 3;";

const KINDS: [Kind; 3] = [
    Kind { mark: "R", table: "run", columns: "started, plan, ended" },
    Kind { mark: "T", table: "target", columns: "target, memo, completion" },
    Kind {
        mark: "S",
        table: "split",
        columns: "target, split, settled, sent, finished, totals, receipts",
    },
];

/// A database, or rows of its tables: `R`, `T` and `S`.
pub fn read(input: &[u8]) -> bool {
    let config = vecpipe::config::parse(CONFIG, "fuzz", &[], &|_| None, Generation::Two)
        .expect("it is right");
    let pipeline = assemble(&config.config, Purpose::Plan).expect("it is right");
    let folder = rows::folder("journal");
    let path = folder.join(format!("{}.journal", pipeline.identity.file_stem()));
    for file in fs::read_dir(&folder).expect("the folder").flatten() {
        let _ = fs::remove_file(file.path());
    }
    if input.starts_with(b"SQLite") {
        fs::write(&path, input).expect("room for the file");
    } else {
        database::make(&path, SCHEMA, &KINDS, &String::from_utf8_lossy(input));
    }
    let Err(error) = open(&folder, &pipeline) else { return true };
    assert_eq!(error.kind(), vecpipe::Kind::Config, "{error}");
    std::hint::black_box(error.to_string());
    false
}

/// As `status` and `run` do.
fn open(folder: &Path, pipeline: &Pipeline) -> Result<()> {
    if let Some(standing) = EarlierRun::find(folder, &pipeline.identity)? {
        for target in &standing.run.targets {
            std::hint::black_box((target.settled(), target.finished()));
        }
        // Whatever can be told of it, and also where it would not be gone on with.
        rows::wait(Plan::resume(pipeline, &standing.run, None)).map(drop)?;
    }
    let journal = JournalFile::lock(folder, &pipeline.identity)?;
    match journal.earlier() {
        Some(earlier) => rows::wait(Plan::resume(pipeline, earlier, None)).map(drop),
        None => Ok(()),
    }
}
