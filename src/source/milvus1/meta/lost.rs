//! Metadata that lacks what the folder holds: of another server, or without its log.

use std::collections::HashSet;
use std::path::Path;

use super::TableRow;
use crate::error::{Error, Result};
use crate::source::files::name;
use crate::source::milvus1::MetaConfig;

/// Stops where segments lie in `path` and the metadata has no table at all, or where its log is gone
/// and it does not know the segments' table. Folders that it does not know are nothing to stop at as
/// long as the log is there: servers remove files before they forget them, and may be interrupted.
///
/// # Errors
/// When that is so.
pub fn check(path: &Path, tables: &[TableRow], config: &MetaConfig) -> Result<()> {
    let folder = path.join("db").join("tables");
    let log_is_gone =
        matches!(config, MetaConfig::Sqlite) && !path.join("db").join("meta.sqlite-wal").is_file();
    let known: HashSet<_> = tables.iter().map(|table| table.table_id.as_str()).collect();
    let lost = with_segments(&folder).find(|table| !known.contains(table.as_str()));
    let what = match lost {
        Some(_) if tables.is_empty() => {
            "The metadata names no collection, but there are segments".to_owned()
        }
        Some(table) if log_is_gone => {
            format!("The metadata does not know table {table}, but there are segments of it")
        }
        _ => return Ok(()),
    };
    let (what, help) = match config {
        MetaConfig::Sqlite if log_is_gone => (
            format!("{what}: its log, meta.sqlite-wal, is missing"),
            "a Milvus server keeps its metadata in meta.sqlite-wal beside meta.sqlite: copy both, from the stopped server",
        ),
        MetaConfig::Sqlite => (
            what,
            "a Milvus server keeps its metadata in meta.sqlite-wal beside meta.sqlite: copy both, from the stopped server; for a server with MySQL metadata, set source.milvus1.meta",
        ),
        MetaConfig::Mysql(_) => (
            what,
            "give the database that this server's meta_uri names as source.milvus1.meta.mysql.database",
        ),
    };
    Err(Error::source(what).at(name(&folder)).help(help))
}

/// Names of the tables that have folders of segments, in any order.
fn with_segments(tables: &Path) -> impl Iterator<Item = String> + use<> {
    let folders = |path: &Path| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir())
    };
    folders(tables)
        .filter(move |table| folders(table).next().is_some())
        .filter_map(|table| Some(table.file_name()?.to_string_lossy().into_owned()))
}
