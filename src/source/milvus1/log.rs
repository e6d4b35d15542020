//! The write-ahead log: rows that a server which was killed had not put into segments yet.
//!
//! `<path>/wal/<n>.wal` holds records; those that are in segments stay in it, so only a record
//! behind the flush position of its table counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Error, Result};
use crate::source::files::name;
use crate::source::map::FileMap;
use crate::source::milvus1::meta::Catalog;

/// Position, type, lengths of the two names, number of ids, bytes of data; packed.
const RECORD: usize = 8 + 1 + 2 + 2 + 4 + 4;

/// What the log alone holds of one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unflushed {
    /// Rows that were inserted.
    pub inserted: u64,
    /// Ids that were deleted.
    pub deleted: u64,
}

/// What the log alone holds, by collection and partition tag (empty for the default one).
///
/// # Errors
/// When the folder is there and can't be read. A log that ends in the middle of a record is fine:
/// so does that of a server that was killed.
pub fn unflushed(path: &Path, catalog: &Catalog) -> Result<BTreeMap<(String, String), Unflushed>> {
    let mut flushed = BTreeMap::new();
    for collection in &catalog.collections {
        for partition in &collection.partitions {
            let tag = partition.tag.clone().unwrap_or_default();
            flushed.insert((collection.name.clone(), tag), partition.flush_lsn);
        }
    }
    let mut found = BTreeMap::new();
    let folder = path.join("wal");
    let unreadable = |error| {
        Error::source("Cannot read the folder of the write-ahead log")
            .because(error)
            .at(name(&folder))
            .help("only the log tells whether rows are missing from the segments")
    };
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(unreadable)?,
    };
    for entry in entries {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "wal") {
            read(&file, &flushed, &mut found).map_err(|error| error.at(name(&file)))?;
        }
    }
    Ok(found)
}

fn read(
    path: &Path,
    flushed: &BTreeMap<(String, String), u64>,
    found: &mut BTreeMap<(String, String), Unflushed>,
) -> Result<()> {
    let unreadable = |error| Error::source("Cannot read the write-ahead log").because(error);
    let map = FileMap::of(File::open(path).map_err(unreadable)?).map_err(unreadable)?;
    let mut rest = map.bytes();
    while let Some((head, after)) = rest.split_at_checked(RECORD) {
        let number = |at: usize, len: usize| {
            head[at..at + len].iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte))
        };
        let (lsn, kind) = (number(0, 8), head[8]);
        let (table, tag) = (number(9, 2) as usize, number(11, 2) as usize);
        let (ids, data) = (number(13, 4), number(17, 4));
        let body = (table + tag) as u64 + ids * 8 + data;
        let Some((body, next)) =
            usize::try_from(body).ok().and_then(|body| after.split_at_checked(body))
        else {
            break;
        };
        // Space that was set aside and not written yet.
        if lsn == 0 {
            break;
        }
        let text =
            |range: std::ops::Range<usize>| String::from_utf8_lossy(&body[range]).into_owned();
        let key = (text(0..table), text(table..table + tag));
        if flushed.get(&key).is_some_and(|flushed| lsn > *flushed) {
            let unflushed: &mut Unflushed = found.entry(key).or_default();
            match kind {
                1 | 2 => unflushed.inserted += ids,
                3 => unflushed.deleted += ids,
                _ => {}
            }
        }
        rest = next;
    }
    Ok(())
}
