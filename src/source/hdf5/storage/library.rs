//! Rows that libhdf5 reads itself, under its lock: other byte orders and number formats, compact,
//! external and virtual storage, and filters that only it knows.

use std::ops::Range;

use arrow::buffer::Buffer;
use arrow::datatypes::ArrowNativeType;
use half::f16;
use hdf5::{H5Type, Hyperslab, Selection, SliceOrIndex};

use super::filters::check_library;
use crate::error::{Error, Result};
use crate::source::hdf5::dataset::{Dataset, Element, library_error};

/// A reader through libhdf5.
#[derive(Debug)]
pub struct Slabs {
    handle: hdf5::Dataset,
    element: Element,
    rank: usize,
    elements: usize,
    row_bytes: usize,
    band_rows: u64,
    chunk_bytes: usize,
}

impl Slabs {
    /// A reader of `dataset`.
    ///
    /// # Errors
    /// For byte strings, which libhdf5's conversion would cut at the first zero.
    pub fn new(dataset: &Dataset, element: Element, row_bytes: usize) -> Result<Slabs> {
        if let Element::Bytes(_) = element {
            return Err(Error::source("Byte strings in this kind of storage can't be read").help(
                "rewrite the file with `h5repack -f GZIP=4 -l CHUNK=1000 old.h5 new.h5`, or store the bytes as uint8 [n, dim / 8]",
            ));
        }
        let header = |error| library_error("Cannot read the dataset's header", &error);
        let properties = dataset.handle.dcpl().map_err(header)?;
        let chunk = properties.get_chunk().map_err(header)?;
        if chunk.is_some() {
            check_library(&properties)?;
        }
        let chunk = chunk.unwrap_or_default();
        let chunk_bytes =
            chunk.iter().try_fold(element.width(), |bytes, &n| bytes.checked_mul(n)).unwrap_or(0);
        Ok(Slabs {
            handle: dataset.handle.clone(),
            element,
            rank: dataset.shape.len(),
            elements: row_bytes / element.width(),
            row_bytes,
            band_rows: chunk.first().map_or(1, |&n| n.max(1) as u64),
            chunk_bytes: if chunk.is_empty() { 0 } else { chunk_bytes },
        })
    }

    /// Rows that are decoded together.
    pub fn band_rows(&self) -> u64 {
        self.band_rows
    }

    /// Bytes that a read takes beside its rows: libhdf5's chunk, stored and decoded.
    pub fn scratch_bytes(&self) -> usize {
        self.chunk_bytes.saturating_mul(2)
    }

    /// Appends `rows`.
    ///
    /// # Errors
    /// When libhdf5 can't read them.
    pub fn append(&self, rows: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        // The rows pass through one more buffer; a band at a time keeps it small.
        let step = ((1 << 20) / self.row_bytes.max(1)).max(1) as u64;
        let step = step.div_ceil(self.band_rows) * self.band_rows;
        let mut row = rows.start;
        while row < rows.end {
            let stop = rows.end.min(row - row % self.band_rows + step);
            self.append_slab(row..stop, out).map_err(|error| {
                library_error(format!("Cannot read rows {row} to {}", stop - 1), &error)
                    .help("the file may be damaged, or need a filter that is not built in")
            })?;
            row = stop;
        }
        Ok(())
    }

    fn append_slab(&self, rows: Range<u64>, out: &mut Vec<u8>) -> hdf5::Result<()> {
        match self.element {
            Element::Float(2) => self.append_as::<f16>(rows, out),
            Element::Float(4) => self.append_as::<f32>(rows, out),
            Element::Float(_) => self.append_as::<f64>(rows, out),
            Element::Signed(1) => self.append_as::<i8>(rows, out),
            Element::Signed(2) => self.append_as::<i16>(rows, out),
            Element::Signed(4) => self.append_as::<i32>(rows, out),
            Element::Signed(_) => self.append_as::<i64>(rows, out),
            Element::Unsigned(1) | Element::Bytes(_) => self.append_as::<u8>(rows, out),
            Element::Unsigned(2) => self.append_as::<u16>(rows, out),
            Element::Unsigned(4) => self.append_as::<u32>(rows, out),
            Element::Unsigned(_) => self.append_as::<u64>(rows, out),
        }
    }

    fn append_as<T: H5Type + ArrowNativeType>(
        &self,
        rows: Range<u64>,
        out: &mut Vec<u8>,
    ) -> hdf5::Result<()> {
        let too_large = |_| "row number too large for this machine";
        let rows = usize::try_from(rows.start).map_err(too_large)?
            ..usize::try_from(rows.end).map_err(too_large)?;
        let mut slices = vec![SliceOrIndex::from(rows)];
        let values = if self.rank == 2 {
            slices.push(SliceOrIndex::from(0..self.elements));
            let slab =
                self.handle.read_slice_2d::<T, _>(Selection::new(Hyperslab::from(slices)))?;
            slab.into_raw_vec_and_offset().0
        } else {
            let slab =
                self.handle.read_slice_1d::<T, _>(Selection::new(Hyperslab::from(slices)))?;
            slab.into_raw_vec_and_offset().0
        };
        out.extend_from_slice(Buffer::from_vec(values).as_slice());
        Ok(())
    }
}
