//! What the old server knew of its collections: the tables `Tables` and `TableFiles` of its
//! metadata, in SQLite or MySQL.

mod catalog;
mod lost;
mod mysql;
mod sqlite;

use std::path::Path;

pub use self::catalog::{Catalog, Collection, Partition};
pub use self::mysql::MysqlConfig;
use crate::error::{Error, Result};
use crate::source::files::name;
use crate::source::milvus1::MetaConfig;

/// Columns of `Tables` that are read, in this order.
const TABLE_COLUMNS: &str =
    "table_id, state, dimension, metric_type, owner_table, partition_tag, version, flush_lsn";
/// Columns of `TableFiles` that are read, in this order.
const FILE_COLUMNS: &str = "table_id, segment_id, file_type, row_count";

/// A row of `Tables`: a collection, or a partition of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// The collection's name; a made-up number for a partition.
    pub table_id: String,
    /// 0 while it is in use.
    pub state: i64,
    /// Dimensions; bits for binary vectors.
    pub dimension: i64,
    /// 1 to 7.
    pub metric_type: i64,
    /// Of a partition, the collection; empty for a collection.
    pub owner: String,
    /// Of a partition, its tag.
    pub tag: String,
    /// The server that made it.
    pub version: String,
    /// Everything in the write-ahead log up to here is in segments.
    pub flush_lsn: u64,
}

/// A row of `TableFiles`: a file of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// [`TableRow::table_id`].
    pub table_id: String,
    /// The segment's folder.
    pub segment_id: String,
    /// What it is; see [`is_live`](FileRow::is_live).
    pub file_type: i64,
    /// Rows that a client would see, as the server counted them. Drifts.
    pub row_count: i64,
}

impl FileRow {
    /// True for the files that hold a segment's rows: raw (1), waiting for an index (2), and kept
    /// beside one (7). All others are about to be written, about to be removed, or an index.
    pub fn is_live(&self) -> bool {
        matches!(self.file_type, 1 | 2 | 7)
    }
}

/// Reads the metadata of the server whose folder is `path`.
///
/// # Errors
/// When it can't be read, is not that of a Milvus 0.10 or 1.x, or not that of this folder.
pub async fn read(path: &Path, config: &MetaConfig) -> Result<Catalog> {
    let (tables, files) = match config {
        MetaConfig::Sqlite => {
            let path = path.to_owned();
            crate::flow::blocking(move || sqlite::read(&path)).await
        }
        MetaConfig::Mysql(server) => mysql::read(server).await,
    }?;
    lost::check(path, &tables, config)?;
    Catalog::of(tables, files).map_err(|error| {
        error.at(match config {
            MetaConfig::Sqlite => name(&sqlite::file(path)),
            MetaConfig::Mysql(server) => server.place(),
        })
    })
}

/// The error for values that make no sense.
fn unknown_form(what: impl Into<String>) -> Error {
    Error::source(what).help(
        "the metadata is damaged, or not that of a Milvus 0.10 or 1.x; give the folder that the server's storage.path names",
    )
}
