//! What is inside a file, a folder or a server: the answer to `pipeline inspect`.

use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::store::Address;

/// What was found, ready to be shown.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// One line: what it is.
    pub title: String,
    /// Name and value of facts about the whole.
    pub facts: Vec<(String, String)>,
    /// Lists of parts: datasets, collections, row groups.
    pub sections: Vec<Section>,
    /// The first rows, where there are any.
    pub first_rows: Option<RecordBatch>,
}

/// A list of parts of one sort.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// What the parts are.
    pub title: String,
    /// Column headings.
    pub header: Vec<&'static str>,
    /// One row a part.
    pub rows: Vec<Vec<String>>,
}

/// Rows that an inspection shows.
pub const FIRST_ROWS: usize = 5;

/// Asks every kind of source, in turn, whether `place` (a path or an address) is theirs.
///
/// # Errors
/// When nobody knows it, or whoever does can't read it.
pub async fn inspect(place: &str) -> Result<Inspection> {
    if Address::is_one(place) {
        return match super::parquet::inspect(place).await? {
            Some(found) => Ok(found),
            None => Err(Error::source(format!("There are no Parquet files at `{place}`"))),
        };
    }
    if let Some(found) = crate::milvus::inspect::inspect(place).await {
        return found;
    }
    if let Some(found) = super::hdf5::inspect(place).await? {
        return Ok(found);
    }
    if let Some(found) = super::parquet::inspect(place).await? {
        return Ok(found);
    }
    if let Some(found) = super::faiss::inspect(place).await? {
        return Ok(found);
    }
    if let Some(found) = super::milvus1::inspect(place).await? {
        return Ok(found);
    }
    if !std::path::Path::new(place).exists() {
        return Err(Error::config(format!("There is no file or folder `{place}`"))
            .help("the address of a server is written as http://host:port or host:port"));
    }
    Err(Error::config(format!("Nothing here knows how to read `{place}`")).help(
        "give a Faiss index, an HDF5 file, a Parquet file or folder, a Milvus 1.x data directory, or the address of a Milvus server (http://…)",
    ))
}
