//! Writes data directories as an old server would.
#![allow(dead_code, reason = "other tests use a part of it")]

use std::fs;
use std::path::Path;

/// A segment to be written.
#[derive(Debug, Clone)]
pub struct SegmentToWrite {
    pub ids: Vec<i64>,
    /// Numbers of deleted rows, in any order, more than once or not.
    pub deleted: Vec<u32>,
    /// `TableFiles.file_type`.
    pub file_type: i64,
}

/// The vector of row `row` of segment `segment`: no other row has it.
pub fn vector(segment: usize, row: usize, dim: usize) -> Vec<u8> {
    let value = |n: usize| (segment * 1_000_000 + row * 100) as f32 + n as f32 / 128.0;
    (0..dim).flat_map(|n| value(n).to_le_bytes()).collect()
}

/// Writes one collection of float vectors.
pub fn write(folder: &Path, collection: &str, dim: usize, segments: &[SegmentToWrite]) {
    write_table(folder, collection, ("", ""), dim, segments);
}

/// Writes one partition of a collection that was written before.
pub fn write_partition(
    folder: &Path,
    collection: &str,
    tag: &str,
    dim: usize,
    segments: &[SegmentToWrite],
) {
    let table = format!("{collection}_{:x}", tag.bytes().map(u64::from).sum::<u64>());
    write_table(folder, &table, (collection, tag), dim, segments);
}

fn write_table(
    folder: &Path,
    table: &str,
    (owner, tag): (&str, &str),
    dim: usize,
    segments: &[SegmentToWrite],
) {
    fs::create_dir_all(folder.join("db")).unwrap();
    let database = rusqlite::Connection::open(folder.join("db/meta.sqlite")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS Tables (id INTEGER PRIMARY KEY, table_id TEXT, state INTEGER,
                dimension INTEGER, metric_type INTEGER, owner_table TEXT, partition_tag TEXT,
                version TEXT, flush_lsn INTEGER);
             CREATE TABLE IF NOT EXISTS TableFiles (id INTEGER PRIMARY KEY, table_id TEXT,
                segment_id TEXT, file_type INTEGER, row_count INTEGER);",
        )
        .unwrap();
    database
        .execute(
            "INSERT INTO Tables (table_id, state, dimension, metric_type, owner_table,
                partition_tag, version, flush_lsn) VALUES (?1, 0, ?2, 1, ?3, ?4, '0.10.0', 0)",
            (table, dim as i64, owner, tag),
        )
        .unwrap();
    for (n, segment) in segments.iter().enumerate() {
        let id = (1_795_308_000_000_000_000 + n).to_string();
        let path = folder.join("db/tables").join(table).join(&id);
        fs::create_dir_all(&path).unwrap();
        let vectors = (0..segment.ids.len()).flat_map(|row| vector(n, row, dim)).collect();
        let ids = segment.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        let deleted = segment.deleted.iter().flat_map(|row| row.to_le_bytes()).collect();
        for (name, bytes) in [
            (format!("{id}.rv"), vectors),
            (format!("{id}.uid"), ids),
            ("deleted_docs".into(), deleted),
        ] {
            let bytes: Vec<u8> = bytes;
            let file = [&(bytes.len() as u64).to_le_bytes()[..], &bytes].concat();
            fs::write(path.join(name), file).unwrap();
        }
        database
            .execute(
                "INSERT INTO TableFiles (table_id, segment_id, file_type, row_count)
                    VALUES (?1, ?2, ?3, 7)",
                (table, &id, segment.file_type),
            )
            .unwrap();
    }
}
