//! What the targets share that read rows: a folder, a source, all rows of its tables.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use futures::StreamExt;
use serde_json::{Value, json};
use vecpipe::flow::{BatchSize, MemoryBudget, ReadContext};
use vecpipe::source::{Columns, Source, SourceConfig};
use vecpipe::{Kind, Result};

/// Rows that are read of a table; more would only take longer.
const ROWS: u64 = 20_000;

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// A folder of this thread's own for a target, in memory where there is such a place. What the last
/// input left there is still in it.
pub fn folder(target: &str) -> PathBuf {
    let folder = FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| {
            let memory = Path::new("/dev/shm");
            let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
            tempfile::tempdir_in(parent).expect("a folder")
        });
        folder.path().join(target)
    });
    std::fs::create_dir_all(&folder).expect("room");
    folder
}

/// Waits for `work`.
pub fn wait<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// Plans a source and reads its tables. Errors must be about the source, as it is what is damaged.
/// True when there was none.
pub fn read(kind: &str, settings: Value) -> bool {
    let config: SourceConfig =
        serde_json::from_value(json!({ kind: settings })).expect("the settings are known");
    let source = config.into_factory().build().expect("the settings are fine");
    let Err(error) = wait(read_all(&*source)) else { return true };
    assert_eq!(error.kind(), Kind::Source, "{error}");
    std::hint::black_box(error.to_string());
    false
}

async fn read_all(source: &dyn Source) -> Result<()> {
    let batch_size = BatchSize { rows: 1000, bytes: 64 << 10 };
    for table in source.tables().await? {
        source.fingerprint(&table).await?;
        let sum: u64 = table.splits.iter().map(|split| split.rows).sum();
        assert_eq!(sum, table.rows, "the splits of {} have other rows", table.name);
        let mut read = 0;
        for split in table.splits.iter().take(4) {
            let from_row = split.rows / 3;
            let cx = ReadContext::new(MemoryBudget::new(8 << 20), batch_size, 1)?;
            let mut rows = source.open(&table, split, from_row, Columns::All, &cx)?;
            let mut next = from_row;
            while let Some(batch) = rows.next().await.transpose()? {
                assert_eq!(batch.place.first_row, next, "a batch says that it is elsewhere");
                next += batch.len();
                read += batch.len();
                if read > ROWS {
                    return Ok(());
                }
            }
            assert_eq!(next, split.rows, "a split of {} ends early", table.name);
        }
    }
    Ok(())
}
