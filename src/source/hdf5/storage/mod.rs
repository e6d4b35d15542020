//! Rows of a dataset as bytes, in this machine's byte order, from wherever the file keeps them.
//!
//! Every call into libhdf5 takes one lock for the whole process. So libhdf5 is asked where the
//! bytes are, and they are read and decompressed here, on as many threads as there are. What this
//! module has no decoder for, libhdf5 reads itself.

mod chunked;
mod contiguous;
mod filters;
mod library;
mod map;

use std::ops::Range;
use std::path::Path;

use hdf5::dataset::{DatasetCreate, FillValue, Layout};

pub use self::chunked::Chunked;
use self::contiguous::Contiguous;
pub use self::filters::words as filter_words;
pub use self::map::ChunkMaps;
use crate::error::{Error, Result};
use crate::source::hdf5::dataset::{Dataset, Element, library_error};
use crate::source::hdf5::form::Form;

/// Column-wise chunks of more than this many bytes a row of chunks are decoded in parts.
const MAX_BAND_BYTES: u64 = 256 << 20;

/// Reads rows of one dataset of one or two dimensions.
#[derive(Debug)]
pub struct RowReader {
    storage: Storage,
    rows: u64,
    row_bytes: usize,
    /// Bytes of a value, when they stand in the file in the other order.
    swapped: Option<usize>,
    /// Where it reads from, for errors.
    place: String,
}

#[derive(Debug)]
enum Storage {
    Contiguous(Contiguous),
    Chunked(Box<Chunked>),
    /// Never written: every row holds these bytes.
    Unwritten(Vec<u8>),
    Library(library::Slabs),
}

impl RowReader {
    /// A reader of `dataset`, which lies in the file at `path`.
    ///
    /// # Errors
    /// When the storage can't be read: a filter that nobody here knows, a chunk over 4 GiB.
    pub fn new(path: &Path, dataset: &Dataset, maps: &ChunkMaps) -> Result<RowReader> {
        let place = format!("dataset {}", dataset.path);
        let Some(element) = dataset.element else {
            return Err(Error::internal(format!("No reader for {}", dataset.type_name)).at(place));
        };
        let elements = dataset.shape.get(1).copied().unwrap_or(1);
        let row_bytes = usize::try_from(elements)
            .ok()
            .and_then(|n| n.checked_mul(element.width()))
            .ok_or_else(|| Error::source("A row is too large for memory").at(&place))?;
        let storage = Storage::of(path, dataset, element, row_bytes, maps);
        let storage = storage.map_err(|error| error.at(&place))?;
        let swapped = (dataset.form == Form::Swapped && !matches!(storage, Storage::Library(_)))
            .then_some(element.width());
        Ok(RowReader { storage, rows: dataset.rows(), row_bytes, swapped, place })
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Rows that must be decoded together: chunks that are compressed, or cut the rows. 1 where
    /// any row can be read alone.
    pub fn band_rows(&self) -> u64 {
        match &self.storage {
            Storage::Chunked(chunked) => chunked.band_rows(),
            Storage::Library(slabs) => slabs.band_rows(),
            Storage::Contiguous(_) | Storage::Unwritten(_) => 1,
        }
    }

    /// Where the band of rows that `row` lies in begins and ends.
    pub fn band_of(&self, row: u64) -> Range<u64> {
        let band = self.band_rows();
        let first = row - row % band;
        first..first.saturating_add(band).min(self.rows)
    }

    /// Where a read from `row` should stop so that no chunk is decoded twice: after about `rows`
    /// rows, at the end of a band.
    pub fn stop(&self, row: u64, rows: u64) -> u64 {
        let band = self.band_rows();
        let band_bytes = band.saturating_mul(self.row_bytes as u64);
        let wanted = row.saturating_add(rows.max(1)).min(self.rows);
        if band == 1 {
            return wanted;
        }
        if band_bytes > MAX_BAND_BYTES && self.cuts_rows() {
            let part = (MAX_BAND_BYTES / self.row_bytes.max(1) as u64).max(1);
            return self.band_of(row).end.min(row.saturating_add(part));
        }
        self.band_of(row).end.max(self.band_of(wanted).start).min(self.rows)
    }

    /// Bytes that reading `rows` takes beside the rows themselves.
    pub fn scratch_bytes(&self) -> usize {
        match &self.storage {
            Storage::Chunked(chunked) => chunked.scratch_bytes(),
            Storage::Library(slabs) => slabs.scratch_bytes(),
            Storage::Contiguous(_) | Storage::Unwritten(_) => 0,
        }
    }

    fn cuts_rows(&self) -> bool {
        match &self.storage {
            Storage::Chunked(chunked) => chunked.cuts_rows(),
            _ => false,
        }
    }

    /// Appends `rows` to `out`.
    ///
    /// # Errors
    /// When the file can't be read or its chunks can't be decoded.
    pub fn append(&mut self, rows: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        if rows.end > self.rows || rows.start > rows.end {
            return Err(Error::internal(format!("No rows {rows:?} in {} rows", self.rows)));
        }
        let before = out.len();
        let bytes = usize::try_from(rows.end - rows.start)
            .ok()
            .and_then(|n| n.checked_mul(self.row_bytes))
            .ok_or_else(|| Error::source("Too many rows for memory").at(&self.place))?;
        let outcome = reserve(out, bytes).and_then(|()| match &mut self.storage {
            Storage::Contiguous(contiguous) => {
                contiguous.append(rows.start * self.row_bytes as u64, bytes, out)
            }
            Storage::Chunked(chunked) => chunked.append(rows, out),
            Storage::Library(slabs) => slabs.append(rows, out),
            Storage::Unwritten(row) => {
                (rows.start..rows.end).for_each(|_| out.extend_from_slice(row));
                Ok(())
            }
        });
        outcome.map_err(|error| error.at(&self.place))?;
        if let Some(width) = self.swapped {
            swap(&mut out[before..], width);
        }
        if out.len() - before != bytes {
            return Err(Error::internal("Fewer bytes came than were asked for").at(&self.place));
        }
        Ok(())
    }
}

impl Storage {
    fn of(
        path: &Path,
        dataset: &Dataset,
        element: Element,
        row_bytes: usize,
        maps: &ChunkMaps,
    ) -> Result<Storage> {
        let header = |error| library_error("Cannot read the dataset's header", &error);
        let handle = &dataset.handle;
        let properties = handle.dcpl().map_err(header)?;
        let library = || library::Slabs::new(dataset, element, row_bytes).map(Storage::Library);
        // An external link leads into another file, whose addresses mean nothing in this one.
        let elsewhere = Path::new(&handle.filename()) != path;
        if elsewhere || dataset.form == Form::Foreign {
            return library();
        }
        match properties.get_layout().map_err(header)? {
            Layout::Contiguous if !properties.get_external().map_err(header)?.is_empty() => {
                library()
            }
            Layout::Contiguous => match handle.offset() {
                Some(offset) => {
                    let bytes = dataset.rows().saturating_mul(row_bytes as u64);
                    Ok(Storage::Contiguous(Contiguous::open(path, offset, bytes)?))
                }
                None => {
                    Ok(Storage::Unwritten(unwritten(&properties, dataset, element, row_bytes)?))
                }
            },
            Layout::Chunked => match Chunked::of(path, dataset, element, &properties, maps)? {
                Some(chunked) => Ok(Storage::Chunked(Box::new(chunked))),
                None => library(),
            },
            Layout::Compact | Layout::Virtual => library(),
        }
    }
}

/// Makes room without aborting when a file claims absurd sizes.
fn reserve(out: &mut Vec<u8>, bytes: usize) -> Result<()> {
    out.try_reserve_exact(bytes)
        .map_err(|error| Error::source(format!("No memory for {bytes} bytes")).because(error))
}

fn unwritten(
    properties: &DatasetCreate,
    dataset: &Dataset,
    element: Element,
    row_bytes: usize,
) -> Result<Vec<u8>> {
    let fill = fill_value(properties, dataset, element)?.ok_or_else(no_fill)?;
    let mut row = Vec::new();
    reserve(&mut row, row_bytes)?;
    while row.len() < row_bytes {
        row.extend_from_slice(&fill);
    }
    Ok(row)
}

/// The element that stands where nothing was ever written, as the file would hold it; none for
/// byte strings with a value of their own.
fn fill_value(
    properties: &DatasetCreate,
    dataset: &Dataset,
    element: Element,
) -> Result<Option<Vec<u8>>> {
    let broken = |error| library_error("Cannot read the dataset's fill value", &error);
    if properties.get_fill_value_defined().map_err(broken)? != FillValue::UserDefined {
        return Ok(Some(vec![0; element.width()]));
    }
    macro_rules! value {
        ($type:ty) => {
            properties
                .get_fill_value_as::<$type>()
                .map_err(broken)?
                .unwrap_or_default()
                .to_ne_bytes()
                .to_vec()
        };
    }
    let mut value = match element {
        Element::Float(2) => value!(half::f16),
        Element::Float(4) => value!(f32),
        Element::Float(_) => value!(f64),
        Element::Signed(1) => value!(i8),
        Element::Signed(2) => value!(i16),
        Element::Signed(4) => value!(i32),
        Element::Signed(_) => value!(i64),
        Element::Unsigned(1) => value!(u8),
        Element::Unsigned(2) => value!(u16),
        Element::Unsigned(4) => value!(u32),
        Element::Unsigned(_) => value!(u64),
        Element::Bytes(_) => return Ok(None),
    };
    if dataset.form == Form::Swapped {
        value.reverse();
    }
    Ok(Some(value))
}

fn no_fill() -> Error {
    Error::source("Rows that were never written hold a byte string that can't be read here")
        .help("write all rows of the dataset, or write it without a fill value")
}

/// Puts the bytes of each value of `width` bytes in the other order.
fn swap(bytes: &mut [u8], width: usize) {
    fn each<const N: usize>(bytes: &mut [u8]) {
        bytes.as_chunks_mut::<N>().0.iter_mut().for_each(|value| value.reverse());
    }
    // With the width known at compile time the loops become vector shuffles.
    match width {
        2 => each::<2>(bytes),
        4 => each::<4>(bytes),
        8 => each::<8>(bytes),
        _ => {}
    }
}
