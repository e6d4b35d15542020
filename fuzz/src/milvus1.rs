//! A data directory of an old server: its files with metadata that fits, and its metadata.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::database::{self, Kind};
use super::rows;

/// The columns that a server makes. A text of digits becomes one of these types; what is no number
/// stays a text, and anything may be null.
const SCHEMA: &str = "
    CREATE TABLE Tables (id INTEGER PRIMARY KEY, table_id TEXT, state INTEGER,
        dimension INTEGER, metric_type INTEGER, owner_table TEXT, partition_tag TEXT, version TEXT,
        flush_lsn INTEGER);
    CREATE TABLE TableFiles (id INTEGER PRIMARY KEY, table_id TEXT, segment_id TEXT,
        file_type INTEGER, row_count INTEGER);";

const KINDS: [Kind; 2] = [
    Kind {
        mark: "T",
        table: "Tables",
        columns: "table_id, state, dimension, metric_type, owner_table, partition_tag, version, flush_lsn",
    },
    Kind { mark: "F", table: "TableFiles", columns: "table_id, segment_id, file_type, row_count" },
];

/// Rows of the metadata for [`files`]: `t` has a segment of its own and one in its partition.
const METADATA: &str = "\
    T\tt\t0\t{dim}\t{metric}\t\t\t0.10\t5\n\
    T\t17\t0\t{dim}\t{metric}\tt\tp\t0.10\t0\n\
    F\tt\t1\t1\t2\n\
    F\t17\t1\t7\t2\n";

/// The first byte chooses the kind of vectors. Then come `.rv`, `.uid`, `deleted_docs` and the
/// write-ahead log, the first three with their lengths in two bytes before them.
pub fn files(input: &[u8]) -> bool {
    let Some((kind, mut rest)) = input.split_first() else { return false };
    let (dim, metric) = [("1", "1"), ("4", "2"), ("8", "3"), ("128", "1")][usize::from(kind % 4)];
    let metadata = METADATA.replace("{dim}", dim).replace("{metric}", metric);
    let mut next = || {
        let (len, after) = rest.split_first_chunk().unwrap_or((&[0; 2], rest));
        let (part, after) = after.split_at(after.len().min(u16::from_le_bytes(*len).into()));
        rest = after;
        part
    };
    let (vectors, ids, deleted) = (next(), next(), next());
    let root = rows::folder("files");
    for table in ["t", "17"] {
        let segment = root.join("db/tables").join(table).join("1");
        fs::create_dir_all(&segment).expect("room");
        write(&segment.join("1.rv"), vectors);
        write(&segment.join("1.uid"), ids);
        match deleted {
            b"none" => drop(fs::remove_file(segment.join("deleted_docs"))),
            deleted => write(&segment.join("deleted_docs"), deleted),
        }
    }
    fs::create_dir_all(root.join("wal")).expect("room");
    write(&root.join("wal/0.wal"), rest);
    read(&root, &metadata)
}

/// Rows of the two tables: `T` and `F`. What begins with
/// `SQLite` is a database itself.
pub fn metadata(input: &[u8]) -> bool {
    let root = rows::folder("metadata");
    let _ = fs::remove_dir_all(&root);
    let text = String::from_utf8_lossy(input);
    // The segments that are named are there, and hold nothing.
    for line in text.lines().take(64) {
        let mut fields = line.split('\t');
        if let (Some("F"), Some(table), Some(id)) = (fields.next(), fields.next(), fields.next())
            && [table, id].iter().all(|name| is_plain(name))
        {
            let segment = root.join("db/tables").join(table).join(id);
            fs::create_dir_all(&segment).expect("room");
            for file in [format!("{id}.rv"), format!("{id}.uid"), "deleted_docs".to_owned()] {
                write(&segment.join(file), &0u64.to_le_bytes());
            }
        }
    }
    fs::create_dir_all(root.join("db")).expect("room");
    if input.starts_with(b"SQLite") {
        write(&root.join("db/meta.sqlite"), input);
        rows::read("milvus1", json!({ "path": root }))
    } else {
        read(&root, &text)
    }
}

fn read(root: &Path, metadata: &str) -> bool {
    fs::create_dir_all(root.join("db")).expect("room");
    database::make(&root.join("db/meta.sqlite"), SCHEMA, &KINDS, metadata);
    rows::read("milvus1", json!({ "path": root }))
}

fn is_plain(name: &str) -> bool {
    (1..100).contains(&name.len()) && name != "." && name != ".." && !name.contains(['/', '\0'])
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("room for the file");
}
