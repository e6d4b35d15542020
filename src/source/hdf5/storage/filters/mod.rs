//! Undoing what was done to a chunk when it was written.
//!
//! A dataset has a pipeline of up to 32 filters, applied in order on writing. Reading goes
//! backwards, and leaves out those that the chunk's mask names (HDF5 file format specification,
//! section IV.A.2.l).

mod fletcher32;
mod inflate;
mod lzf;
mod shuffle;

use std::io::Read;

use hdf5::dataset::DatasetCreate;
use hdf5::filters::Filter;

pub use self::inflate::Inflater;
use super::reserve;
use crate::error::{Error, Result};
use crate::source::hdf5::dataset::library_error;

/// Registered number of the Zstandard filter (The HDF Group's list of registered filters).
const ZSTD: i32 = 32015;
/// What a filter in the middle may add to a chunk: checksums, and compressors that failed to
/// compress. Nothing that was written by HDF5 grows more.
const SLACK: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Deflate,
    Shuffle,
    Fletcher32,
    Lzf,
    Zstd,
}

/// The filters of a dataset, all of which can be undone here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filters(Vec<Step>);

impl Filters {
    /// The filters of a dataset; none when one of them can't be undone here.
    ///
    /// # Errors
    /// When the dataset's header can't be read.
    pub fn of(properties: &DatasetCreate) -> Result<Option<Filters>> {
        Ok(all(properties)?.iter().map(step).collect::<Option<_>>().map(Filters))
    }

    /// True when chunks are stored as they are.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when `mask` leaves out every filter.
    pub fn are_skipped(&self, mask: u32) -> bool {
        (0..self.0.len()).all(|n| mask & (1 << n) != 0)
    }

    /// True when of all filters `mask` leaves one, and that is gzip.
    pub fn is_gzip_alone(&self, mask: u32) -> bool {
        let mut left = self.0.iter().enumerate().filter(|(n, _)| mask & (1 << n) == 0);
        matches!((left.next(), left.next()), (Some((_, Step::Deflate)), None))
    }

    /// Undoes the filters that `mask` does not leave out.
    ///
    /// # Errors
    /// When the bytes are not what the filters make, or not `chunk_bytes` come out.
    pub fn undo(
        &self,
        inflater: &mut Inflater,
        stored: Vec<u8>,
        mask: u32,
        width: usize,
        chunk_bytes: usize,
    ) -> Result<Vec<u8>> {
        let mut bytes = stored;
        let limit = chunk_bytes.saturating_add(SLACK);
        for (n, step) in self.0.iter().enumerate().rev() {
            if mask & (1 << n) != 0 {
                continue;
            }
            bytes = match step {
                Step::Deflate => {
                    let mut out = Vec::new();
                    reserve(&mut out, chunk_bytes)?;
                    inflater.append(&bytes, limit, &mut out)?;
                    out
                }
                Step::Shuffle => shuffle::undo(&bytes, width)?,
                Step::Fletcher32 => fletcher32::check(bytes)?,
                Step::Lzf => lzf::decompress(&bytes, chunk_bytes, limit)?,
                Step::Zstd => unzstd(&bytes, chunk_bytes, limit)?,
            };
        }
        check_size(bytes.len(), chunk_bytes)?;
        Ok(bytes)
    }
}

/// Checks that a chunk of `chunk_bytes` bytes has so many.
///
/// # Errors
/// When it was decoded to more or fewer.
pub fn check_size(decoded: usize, chunk_bytes: usize) -> Result<()> {
    if decoded == chunk_bytes {
        return Ok(());
    }
    Err(damaged(format!("A chunk of {chunk_bytes} bytes decodes to {decoded} bytes")))
}

/// Checks that libhdf5 can undo all filters of a dataset.
///
/// # Errors
/// When it does not know one of them.
pub fn check_library(properties: &DatasetCreate) -> Result<()> {
    match all(properties)?.iter().find(|filter| !filter.decode_enabled()) {
        None => Ok(()),
        Some(unknown) => Err(Error::source(format!(
            "The data are compressed with {}, which can't be read",
            word(unknown)
        ))
        .help("rewrite the file with gzip: `h5repack -f GZIP=4 old.h5 new.h5`")),
    }
}

fn all(properties: &DatasetCreate) -> Result<Vec<Filter>> {
    properties
        .get_filters()
        .map_err(|error| library_error("Cannot read the dataset's filters", &error))
}

fn step(filter: &Filter) -> Option<Step> {
    match filter {
        Filter::Deflate(_) => Some(Step::Deflate),
        Filter::Shuffle => Some(Step::Shuffle),
        Filter::Fletcher32 => Some(Step::Fletcher32),
        Filter::LZF => Some(Step::Lzf),
        Filter::User(ZSTD, _) => Some(Step::Zstd),
        _ => None,
    }
}

/// The names of a dataset's filters, in the order in which they were applied.
pub fn words(properties: &DatasetCreate) -> String {
    properties.filters().iter().map(word).collect::<Vec<_>>().join(" + ")
}

fn word(filter: &Filter) -> String {
    match filter {
        Filter::Deflate(level) => format!("gzip {level}"),
        Filter::Shuffle => "shuffle".to_owned(),
        Filter::Fletcher32 => "fletcher32".to_owned(),
        Filter::SZip(..) => "szip".to_owned(),
        Filter::NBit => "nbit".to_owned(),
        Filter::ScaleOffset(_) => "scaleoffset".to_owned(),
        Filter::LZF => "lzf".to_owned(),
        Filter::Blosc(..) => "blosc".to_owned(),
        Filter::User(ZSTD, _) => "zstd".to_owned(),
        other => format!("filter {}", other.id()),
    }
}

fn damaged(what: impl Into<String>) -> Error {
    Error::source(what).help("the file is damaged; copy it again")
}

fn unzstd(bytes: &[u8], expected: usize, limit: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    reserve(&mut out, expected)?;
    zstd::stream::read::Decoder::new(bytes)
        .and_then(|decoder| decoder.take(limit as u64).read_to_end(&mut out))
        .map_err(|error| damaged("A zstd chunk is broken").because(error))?;
    Ok(out)
}
