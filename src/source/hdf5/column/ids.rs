//! Ids: integers of any width, or the rows' numbers.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::ScalarBuffer;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, PrimitiveArray};

use super::{Unfit, scalars};
use crate::error::{Error, Result};
use crate::source::hdf5::dataset::{Dataset, Element};
use crate::source::hdf5::storage::RowReader;

/// Where the ids of rows come from.
#[derive(Debug)]
pub enum Ids {
    /// A dataset of integers.
    Stored(Box<StoredIds>),
    /// The row's number in the table; row 0 of the file has this one.
    Numbers(i64),
}

impl Ids {
    /// Bytes that a read takes beside the column it makes.
    pub fn scratch_bytes(&self) -> usize {
        match self {
            Ids::Stored(ids) => ids.scratch_bytes(),
            Ids::Numbers(_) => 0,
        }
    }

    /// The ids of `rows` of the file. One that does not fit 64 bits with a sign is told of by its
    /// number among them.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn read(&mut self, rows: Range<u64>, unfit: &mut Unfit) -> Result<ArrayRef> {
        match self {
            Ids::Stored(ids) => ids.read(rows, unfit),
            Ids::Numbers(first) => {
                let range =
                    first.wrapping_add_unsigned(rows.start)..first.wrapping_add_unsigned(rows.end);
                Ok(Arc::new(Int64Array::from_iter_values(range)))
            }
        }
    }
}

/// Reads a dataset of ids.
#[derive(Debug)]
pub struct StoredIds {
    rows: RowReader,
    element: Element,
    /// The band that was decoded last: ids often lie in larger chunks than their vectors.
    band: Range<u64>,
    decoded: Vec<u8>,
}

impl StoredIds {
    /// A reader of the ids in `dataset`.
    pub fn new(rows: RowReader, dataset: &Dataset) -> Result<StoredIds> {
        match dataset.element {
            Some(element @ (Element::Signed(_) | Element::Unsigned(_))) => {
                Ok(StoredIds { rows, element, band: 0..0, decoded: Vec::new() })
            }
            _ => Err(Error::source(format!("{}, expected integers", dataset.describe()))),
        }
    }

    fn scratch_bytes(&self) -> usize {
        let band = match self.rows.band_rows() {
            1 => 0,
            rows => {
                usize::try_from(rows).unwrap_or(usize::MAX).saturating_mul(self.element.width())
            }
        };
        self.rows.scratch_bytes().saturating_add(band)
    }

    fn read(&mut self, rows: Range<u64>, unfit: &mut Unfit) -> Result<ArrayRef> {
        let mut bytes = Vec::new();
        if self.rows.band_rows() == 1 {
            self.rows.append(rows.clone(), &mut bytes)?;
        } else {
            let mut row = rows.start;
            while row < rows.end {
                if !self.band.contains(&row) {
                    let band = self.rows.band_of(row);
                    self.band = 0..0;
                    self.decoded.clear();
                    self.rows.append(band.clone(), &mut self.decoded)?;
                    self.band = band;
                }
                let stop = self.band.end.min(rows.end);
                let at = |row: u64| {
                    usize::try_from(row - self.band.start).unwrap_or(usize::MAX)
                        * self.element.width()
                };
                bytes.extend_from_slice(&self.decoded[at(row)..at(stop)]);
                row = stop;
            }
        }
        let values: ScalarBuffer<i64> = match self.element {
            Element::Signed(8) => scalars(bytes),
            _ => self.integers(&bytes, unfit).into(),
        };
        Ok(Arc::new(PrimitiveArray::<Int64Type>::new(values, None)))
    }

    fn integers(&self, bytes: &[u8], unfit: &mut Unfit) -> Vec<i64> {
        macro_rules! widen {
            ($type:ty) => {
                bytes
                    .as_chunks::<{ size_of::<$type>() }>()
                    .0
                    .iter()
                    .map(|&b| i64::from(<$type>::from_ne_bytes(b)))
                    .collect()
            };
        }
        match self.element {
            Element::Signed(1) => widen!(i8),
            Element::Signed(2) => widen!(i16),
            Element::Signed(_) => widen!(i32),
            Element::Unsigned(1) => widen!(u8),
            Element::Unsigned(2) => widen!(u16),
            Element::Unsigned(4) => widen!(u32),
            _ => {
                let mut ids = Vec::with_capacity(bytes.len() / 8);
                for (row, &id) in bytes.as_chunks::<8>().0.iter().enumerate() {
                    let id = u64::from_ne_bytes(id);
                    ids.push(i64::try_from(id).unwrap_or_else(|_| {
                        unfit.id(row, format!("its id is {id}, ids go up to {}", i64::MAX));
                        0
                    }));
                }
                ids
            }
        }
    }
}
