//! A file that is open for reading, as the Parquet reader likes it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::{ChunkReader, Length};

use super::remote::{Ranged, ReadOn};
use super::stamp::Stamp;
use crate::error::{Error, Result};

/// An open file. Cloning shares it.
#[derive(Clone)]
pub enum Reader {
    /// Of this machine.
    Local(Arc<File>, Stamp),
    /// In a store.
    Remote(Arc<Ranged>),
}

impl Reader {
    pub(super) fn of_file(path: &Path) -> Result<Reader> {
        let opened = File::open(path).and_then(|file| Ok((Stamp::from(&file.metadata()?), file)));
        let (stamp, file) = opened.map_err(|error| {
            Error::source("Cannot open the file").because(error).at(path.display())
        })?;
        Ok(Reader::Local(Arc::new(file), stamp))
    }

    /// By what the file is told from another one at the same place, as when it was opened: what
    /// [`Place::facts`](super::Place::facts) says of it.
    pub fn stamp(&self) -> String {
        match self {
            Reader::Local(_, stamp) => stamp.to_string(),
            Reader::Remote(object) => object.stamp().to_owned(),
        }
    }

    /// The error that kept a store's object from being read, if there was one. The Parquet reader passes
    /// on no more than its words, and takes it for damage.
    pub fn failure(&self) -> Option<Error> {
        match self {
            Reader::Local(..) => None,
            Reader::Remote(object) => object.failure(),
        }
    }
}

impl Length for Reader {
    fn len(&self) -> u64 {
        match self {
            Reader::Local(_, stamp) => stamp.size,
            Reader::Remote(object) => object.len(),
        }
    }
}

impl ChunkReader for Reader {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(match self {
            Reader::Local(file, _) => Box::new(file.get_read(start)?),
            Reader::Remote(object) => Box::new(ReadOn::new(Arc::clone(object), start)),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        match self {
            Reader::Local(file, _) => file.get_bytes(start, length),
            Reader::Remote(object) => Ok(object.get(start, length)?),
        }
    }
}
