//! Metadata in SQLite: `<path>/db/meta.sqlite`.
//!
//! The server leaves its rows in the write-ahead log beside it, often all of them, and never moves
//! them over. Opening the database in place would: so a private copy is read.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Row};
use tempfile::TempDir;

use super::{FILE_COLUMNS, FileRow, TABLE_COLUMNS, TableRow};
use crate::error::{Error, Result};
use crate::source::files::name;

/// Files of the database: itself, and its log. The shared memory is made anew.
const FILES: [&str; 2] = ["meta.sqlite", "meta.sqlite-wal"];

/// The database of the server whose folder is `path`.
pub fn file(path: &Path) -> PathBuf {
    path.join("db").join(FILES[0])
}

/// Reads both tables.
///
/// # Errors
/// When there is no such database, or it is damaged.
pub fn read(path: &Path) -> Result<(Vec<TableRow>, Vec<FileRow>)> {
    let folder = path.join("db");
    let place = |error: Error| error.at(name(&file(path)));
    if !file(path).is_file() {
        return Err(place(Error::source("There is no SQLite metadata here").help(
            "give the folder that the server's storage.path names; for a server with MySQL metadata, set source.milvus1.meta",
        )));
    }
    let copy = copy_of(&folder)?;
    query(&copy.path().join(FILES[0])).map_err(|error| {
        place(
            Error::source("Cannot read the metadata").because(error).help(
                "the database is damaged, or not a Milvus server's; copy meta.sqlite and meta.sqlite-wal again, from a stopped server",
            ),
        )
    })
}

/// A copy of the database in a folder that only its owner may look into, gone on drop.
fn copy_of(folder: &Path) -> Result<TempDir> {
    let mut private = tempfile::Builder::new();
    private.permissions(Permissions::from_mode(0o700));
    let copy = private.tempdir().map_err(|error| {
        Error::source("Cannot make a folder for a copy of the metadata").because(error)
    })?;
    for part in FILES {
        match fs::copy(folder.join(part), copy.path().join(part)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Error::source("Cannot copy the metadata")
                    .because(error)
                    .at(name(&folder.join(part))));
            }
            Ok(_) => {}
        }
    }
    Ok(copy)
}

fn query(path: &Path) -> rusqlite::Result<(Vec<TableRow>, Vec<FileRow>)> {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let tables = database
        .prepare(&format!("SELECT {TABLE_COLUMNS} FROM Tables ORDER BY id"))?
        .query_map([], table_row)?
        .collect::<rusqlite::Result<_>>()?;
    let files = database
        .prepare(&format!("SELECT {FILE_COLUMNS} FROM TableFiles ORDER BY id"))?
        .query_map([], file_row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok((tables, files))
}

fn table_row(row: &Row<'_>) -> rusqlite::Result<TableRow> {
    Ok(TableRow {
        table_id: row.get(0)?,
        state: row.get(1)?,
        dimension: row.get(2)?,
        metric_type: row.get(3)?,
        owner: row.get(4)?,
        tag: row.get(5)?,
        version: row.get(6)?,
        flush_lsn: row.get::<_, i64>(7)?.cast_unsigned(),
    })
}

fn file_row(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    Ok(FileRow {
        table_id: row.get(0)?,
        segment_id: row.get(1)?,
        file_type: row.get(2)?,
        row_count: row.get(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILES[0]), "rows").unwrap();
        let copy = copy_of(folder.path()).unwrap();
        assert_eq!(fs::read(copy.path().join(FILES[0])).unwrap(), b"rows");
        let mode = fs::metadata(copy.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}
