//! Rows in chunks: read, decoded and put in row order on the calling thread.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use hdf5::dataset::{ChunkOpts, DatasetCreate};

use super::filters::{self, Filters, Inflater};
use super::map::{Chunk, ChunkMaps, Grid, Key, Window};
use super::{fill_value, no_fill, reserve};
use crate::error::{Error, Result};
use crate::source::files::Stamp;
use crate::source::hdf5::dataset::{Dataset, Element, library_error};
use crate::source::scatter;

/// More chunks than this are read by libhdf5, which finds a single one faster than all of them.
/// Without `H5Dchunk_iter` (before 1.14) the search for all of them takes quadratic time.
const MAX_CHUNKS: u64 = if cfg!(feature = "hdf5-static") { 4 << 20 } else { 8 << 10 };
/// The largest chunk of the classic file formats, and the largest that is decoded.
const MAX_CHUNK_BYTES: u64 = 4 << 30;

/// A reader of a chunked dataset.
#[derive(Debug)]
pub struct Chunked {
    file: File,
    file_size: u64,
    handle: hdf5::Dataset,
    maps: ChunkMaps,
    key: Key,
    window: Option<Arc<Window>>,
    grid: Grid,
    /// Bytes of an element.
    width: usize,
    /// Bytes of a row of the dataset, and of a row of one chunk.
    row_bytes: usize,
    chunk_row_bytes: usize,
    chunk_bytes: usize,
    filters: Filters,
    inflater: Inflater,
    /// Chunks that reach over the dataset's edge are stored unfiltered.
    plain_edges: bool,
    /// Elements in a row.
    elements: u64,
    fill: Option<Vec<u8>>,
    decoded: Vec<u8>,
}

impl Chunked {
    /// A reader, or none when libhdf5 should read the dataset itself.
    ///
    /// # Errors
    /// When the dataset's header can't be read, or a filter is known to nobody.
    pub fn of(
        path: &Path,
        dataset: &Dataset,
        element: Element,
        properties: &DatasetCreate,
        maps: &ChunkMaps,
    ) -> Result<Option<Chunked>> {
        let header = |error| library_error("Cannot read the dataset's header", &error);
        let handle = &dataset.handle;
        let Some(shape) = properties.get_chunk().map_err(header)? else { return Ok(None) };
        let Some(filters) = Filters::of(properties)? else { return Ok(None) };
        let (&[chunk_rows, ref rest @ ..], elements) =
            (shape.as_slice(), dataset.shape.get(1).copied().unwrap_or(1))
        else {
            return Ok(None);
        };
        let chunk_cols = rest.first().map_or(1, |&n| n as u64);
        let chunk_rows = chunk_rows as u64;
        if rest.len() > 1 || chunk_rows == 0 || chunk_cols == 0 {
            return Ok(None);
        }
        let across = elements.div_ceil(chunk_cols);
        let grid = Grid { rows: dataset.rows(), chunk_rows, chunk_cols, across };
        // Up to 1.14, libhdf5 leaves the user block out of the addresses of chunks
        // (https://github.com/HDFGroup/hdf5/issues/3003; corrected in a late 1.14).
        let user_block = handle.file().map_err(header)?.userblock();
        if grid.chunks() > MAX_CHUNKS || (user_block > 0 && hdf5::library_version() < (2, 0, 0)) {
            return Ok(None);
        }
        let width = element.width();
        let chunk_bytes =
            chunk_rows.checked_mul(chunk_cols).and_then(|n| n.checked_mul(width as u64));
        let chunk_bytes =
            chunk_bytes.filter(|&n| n <= MAX_CHUNK_BYTES).and_then(|n| usize::try_from(n).ok());
        let Some(chunk_bytes) = chunk_bytes else {
            return Err(Error::source(format!(
                "A chunk has {chunk_rows} rows of {chunk_cols} values, more than 4 GiB"
            ))
            .help("write the file with smaller chunks, for example with `h5repack -l`"));
        };
        let options = properties.get_chunk_opts().map_err(header)?.unwrap_or(ChunkOpts::empty());
        let file = File::open(path)
            .map_err(|error| Error::source("Cannot open the file").because(error))?;
        let stamp = Stamp::of(path)?;
        Ok(Some(Chunked {
            file,
            file_size: stamp.size,
            handle: handle.clone(),
            maps: maps.clone(),
            key: Key { path: path.to_owned(), stamp, dataset: dataset.path.clone() },
            window: None,
            grid,
            width,
            row_bytes: usize::try_from(elements).unwrap_or(usize::MAX).saturating_mul(width),
            chunk_row_bytes: usize::try_from(chunk_cols)
                .unwrap_or(usize::MAX)
                .saturating_mul(width),
            chunk_bytes,
            filters,
            inflater: Inflater::new(),
            plain_edges: options.contains(ChunkOpts::DONT_FILTER_PARTIAL_CHUNKS),
            elements,
            fill: fill_value(properties, dataset, element)?,
            decoded: Vec::new(),
        }))
    }

    /// Rows that must be decoded together.
    pub fn band_rows(&self) -> u64 {
        if self.filters.is_empty() && !self.cuts_rows() { 1 } else { self.grid.chunk_rows }
    }

    /// True when a row lies in more than one chunk.
    pub fn cuts_rows(&self) -> bool {
        self.grid.across > 1
    }

    /// Bytes that decoding takes beside the rows: the chunk as it is stored, and decoded.
    pub fn scratch_bytes(&self) -> usize {
        if self.band_rows() == 1 { 0 } else { self.chunk_bytes.saturating_mul(2) }
    }

    /// Appends `rows`.
    ///
    /// # Errors
    /// When the file can't be read or a chunk can't be decoded.
    pub fn append(&mut self, rows: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        let mut row = rows.start;
        while row < rows.end {
            let band = row / self.grid.chunk_rows;
            let first = band * self.grid.chunk_rows;
            let stop = rows.end.min(first + self.grid.chunk_rows);
            let within = to_usize(row - first)?..to_usize(stop - first)?;
            if self.cuts_rows() {
                self.gather(band, within, out)?;
            } else {
                self.copy(band, within, out)?;
            }
            row = stop;
        }
        // A chunk of gigabytes must not stay in memory that no permit stands for any more.
        if self.decoded.capacity() > 1 << 20 {
            self.decoded = Vec::new();
        }
        Ok(())
    }

    /// Rows `within` a band whose chunks hold whole rows.
    fn copy(&mut self, band: u64, within: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        let Some(chunk) = self.chunk(band, 0)? else {
            let values = within.len() * self.row_bytes / self.width;
            let fill = self.fill.as_deref().ok_or_else(no_fill)?;
            (0..values).for_each(|_| out.extend_from_slice(fill));
            return Ok(());
        };
        let whole_rows = self.chunk_row_bytes == self.row_bytes;
        if whole_rows && self.is_plain(chunk, band, 0) {
            let skip = within.start * self.row_bytes;
            self.check_size(chunk)?;
            return scatter::append(
                &self.file,
                chunk.offset + skip as u64,
                within.len() * self.row_bytes,
                out,
            );
        }
        let whole_chunk = within.len() as u64 == self.grid.chunk_rows;
        if whole_rows && whole_chunk && self.filters.is_gzip_alone(chunk.skipped_filters) {
            // What most files have: straight to where it is wanted.
            return self.inflate(chunk, band, out);
        }
        self.decode(chunk, band, 0)?;
        if whole_rows {
            out.extend_from_slice(
                &self.decoded[within.start * self.row_bytes..within.end * self.row_bytes],
            );
        } else {
            // The dataset may grow to the right, so its chunks can be wider than it is.
            for row in within {
                let at = row * self.chunk_row_bytes;
                out.extend_from_slice(&self.decoded[at..at + self.row_bytes]);
            }
        }
        Ok(())
    }

    /// Rows `within` a band whose chunks hold parts of rows.
    fn gather(&mut self, band: u64, within: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.resize(start + within.len() * self.row_bytes, 0);
        for column in 0..self.grid.across {
            let left = to_usize(column)? * self.chunk_row_bytes;
            let bytes = self.chunk_row_bytes.min(self.row_bytes - left);
            let chunk = self.chunk(band, column)?;
            if let Some(chunk) = chunk {
                self.decode(chunk, band, column)?;
            }
            let fill = match (chunk, self.fill.as_deref()) {
                (None, None) => return Err(no_fill()),
                (_, fill) => fill.unwrap_or_default(),
            };
            for (n, row) in within.clone().enumerate() {
                let to = start + n * self.row_bytes + left;
                let to = &mut out[to..to + bytes];
                if chunk.is_some() {
                    let from = row * self.chunk_row_bytes;
                    to.copy_from_slice(&self.decoded[from..from + bytes]);
                } else {
                    to.chunks_exact_mut(self.width).for_each(|v| v.copy_from_slice(fill));
                }
            }
        }
        Ok(())
    }

    fn chunk(&mut self, band: u64, column: u64) -> Result<Option<Chunk>> {
        let window = match &self.window {
            Some(window) if window.covers(band) => window,
            _ => self.window.insert(self.maps.window(&self.key, &self.handle, self.grid, band)?),
        };
        Ok(window.chunk(band, column))
    }

    /// True when the chunk's bytes in the file are its values.
    fn is_plain(&self, chunk: Chunk, band: u64, column: u64) -> bool {
        let at_edge = (band + 1) * self.grid.chunk_rows > self.grid.rows
            || (column + 1) * self.grid.chunk_cols > self.elements;
        (self.plain_edges && at_edge) || self.filters.are_skipped(chunk.skipped_filters)
    }

    /// Where a chunk is, for errors.
    fn place_of(&self, band: u64) -> String {
        let first = band * self.grid.chunk_rows;
        let end = (first + self.grid.chunk_rows).min(self.grid.rows);
        format!("the chunk of rows {first} to {}", end - 1)
    }

    /// Appends all values of a chunk on which only gzip was used.
    fn inflate(&mut self, chunk: Chunk, band: u64, out: &mut Vec<u8>) -> Result<()> {
        let place = self.place_of(band);
        let before = out.len();
        self.read_stored(chunk)
            .and_then(|()| self.inflater.append(&self.decoded, self.chunk_bytes, out))
            .and_then(|()| filters::check_size(out.len() - before, self.chunk_bytes))
            .map_err(|error| error.at(place))
    }

    /// Fills `decoded` with the values of a chunk.
    fn decode(&mut self, chunk: Chunk, band: u64, column: u64) -> Result<()> {
        let plain = self.is_plain(chunk, band, column);
        let place = self.place_of(band);
        let at = |error: Error| error.at(&place);
        if plain {
            self.check_size(chunk).map_err(at)?;
        }
        self.read_stored(chunk).map_err(at)?;
        if !plain {
            let stored = std::mem::take(&mut self.decoded);
            let mask = chunk.skipped_filters;
            let inflater = &mut self.inflater;
            self.decoded = self
                .filters
                .undo(inflater, stored, mask, self.width, self.chunk_bytes)
                .map_err(at)?;
        }
        Ok(())
    }

    /// Fills `decoded` with the bytes of a chunk as they are stored.
    fn read_stored(&mut self, chunk: Chunk) -> Result<()> {
        // The stored size is the file's claim: it is believed only as far as the file goes.
        if chunk.offset.checked_add(chunk.size).is_none_or(|end| end > self.file_size) {
            return Err(Error::source(format!(
                "The chunk lies at byte {} to {}, behind the end of the file at {}",
                chunk.offset,
                chunk.offset.saturating_add(chunk.size),
                self.file_size
            ))
            .help("the file is damaged or still being written; copy it again"));
        }
        let size = to_usize(chunk.size)?;
        self.decoded.clear();
        reserve(&mut self.decoded, size)?;
        scatter::append(&self.file, chunk.offset, size, &mut self.decoded)
    }

    fn check_size(&self, chunk: Chunk) -> Result<()> {
        if chunk.size == self.chunk_bytes as u64 {
            return Ok(());
        }
        Err(Error::source(format!(
            "A chunk of {} bytes is stored in {} bytes",
            self.chunk_bytes, chunk.size
        ))
        .help("the file is damaged; copy it again"))
    }
}

fn to_usize(n: u64) -> Result<usize> {
    usize::try_from(n).map_err(|error| Error::source("Too large for memory").because(error))
}
