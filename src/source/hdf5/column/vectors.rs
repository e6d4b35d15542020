//! Vectors: float32 as it comes from the file, other floats converted, bits as bytes.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use arrow_array::types::{Float32Type, UInt8Type};
use arrow_array::{ArrayRef, FixedSizeListArray, PrimitiveArray};
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::{Unfit, scalars};
use crate::error::{Error, Result};
use crate::source::hdf5::dataset::{Dataset, Element};
use crate::source::hdf5::storage::RowReader;
use crate::table::{VectorColumn, VectorType};

/// Bytes that are converted at once; they stay in the processor's cache.
const PIECE: usize = 256 << 10;
/// Reads vectors.
#[derive(Debug)]
pub struct Vectors {
    rows: RowReader,
    element: Element,
    column: VectorColumn,
    raw: Vec<u8>,
}

impl Vectors {
    /// A reader of the vectors of `dataset`, which become `column`.
    pub fn new(rows: RowReader, dataset: &Dataset, column: VectorColumn) -> Result<Vectors> {
        let element = match (dataset.element, column.vector_type) {
            (Some(e @ Element::Float(_)), VectorType::Float32)
            | (Some(e @ (Element::Unsigned(1) | Element::Bytes(_))), VectorType::Binary) => e,
            _ => return Err(Error::source(format!("{}, planned as {column}", dataset.describe()))),
        };
        let width = column.vector_type.list_len(column.dim);
        let stored =
            rows.row_bytes() / if let Element::Bytes(_) = element { 1 } else { element.width() };
        if stored != width {
            return Err(Error::source(format!("{}, planned as {column}", dataset.describe())));
        }
        Ok(Vectors { rows, element, column, raw: Vec::new() })
    }

    /// The rows underneath.
    pub fn rows(&self) -> &RowReader {
        &self.rows
    }

    /// Bytes that a read takes beside the column it makes.
    pub fn scratch_bytes(&self) -> usize {
        let band = usize::try_from(self.rows.band_rows()).unwrap_or(usize::MAX);
        let raw = if self.is_converted() {
            band.saturating_mul(self.rows.row_bytes()).max(PIECE.min(self.rows.row_bytes()))
        } else {
            0
        };
        self.rows.scratch_bytes().saturating_add(raw)
    }

    fn is_converted(&self) -> bool {
        matches!(self.element, Element::Float(2 | 8))
    }

    /// Reads `rows` of the file's dataset. One with a float64 that is too large for a float32 is
    /// told of by its number among them.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn read(&mut self, rows: Range<u64>, unfit: &mut Unfit) -> Result<ArrayRef> {
        let (element, values): (DataType, ArrayRef) = match self.element {
            Element::Float(4) => {
                let mut bytes = Vec::new();
                self.rows.append(rows, &mut bytes)?;
                let values = PrimitiveArray::<Float32Type>::new(scalars(bytes), None);
                (DataType::Float32, Arc::new(values))
            }
            Element::Float(_) => {
                let values = self.convert(rows, unfit)?;
                let values = PrimitiveArray::<Float32Type>::new(values.into(), None);
                (DataType::Float32, Arc::new(values))
            }
            _ => {
                let mut bytes = Vec::new();
                self.rows.append(rows, &mut bytes)?;
                let values = PrimitiveArray::<UInt8Type>::new(scalars(bytes), None);
                (DataType::UInt8, Arc::new(values))
            }
        };
        let element = Arc::new(Field::new("item", element, false));
        let len = i32::try_from(self.column.vector_type.list_len(self.column.dim));
        let len = len.map_err(|error| Error::source("Too many dimensions").because(error))?;
        FixedSizeListArray::try_new(element, len, values, None)
            .map(|list| Arc::new(list) as ArrayRef)
            .map_err(|error| Error::internal("Rows do not make a column").because(error))
    }

    /// Float16 and float64 to float32, a piece at a time.
    fn convert(&mut self, rows: Range<u64>, unfit: &mut Unfit) -> Result<Vec<f32>> {
        let row_bytes = self.rows.row_bytes();
        let count = usize::try_from(rows.end - rows.start).unwrap_or(usize::MAX);
        let mut values: Vec<f32> = Vec::new();
        values
            .try_reserve_exact(count.saturating_mul(self.column.dim))
            .map_err(|error| Error::source(format!("No memory for {count} rows")).because(error))?;
        let mut row = rows.start;
        while row < rows.end {
            let stop = self.rows.stop(row, (PIECE / row_bytes.max(1)) as u64).min(rows.end);
            self.raw.clear();
            self.rows.append(row..stop, &mut self.raw)?;
            if self.element == Element::Float(2) {
                widen(&self.raw, &mut values);
            } else {
                let first = values.len();
                let doubles = || self.raw.as_chunks::<8>().0.iter().map(|&b| f64::from_ne_bytes(b));
                #[expect(clippy::cast_possible_truncation, reason = "checked just below")]
                values.extend(doubles().map(|v| v as f32));
                if values[first..].iter().any(|v| v.is_infinite()) {
                    let lost =
                        |(at, v): &(usize, f64)| v.is_finite() && values[first + at].is_infinite();
                    for (at, value) in doubles().enumerate().filter(lost) {
                        let (of_batch, dim) = ((first + at) / self.column.dim, self.column.dim);
                        unfit.vector(
                            of_batch,
                            format!(
                                "it holds {value:e} in dimension {}, which is too large for a float32",
                                at % dim
                            ),
                        );
                    }
                }
            }
            row = stop;
        }
        if self.raw.capacity() > 4 * PIECE {
            self.raw = Vec::new();
        }
        Ok(values)
    }
}

fn widen(raw: &[u8], values: &mut Vec<f32>) {
    // `half` converts whole slices with the processor's own instruction.
    let mut halves = [f16::ZERO; 1024];
    let mut floats = [0f32; 1024];
    for block in raw.as_chunks::<2>().0.chunks(1024) {
        let halves = &mut halves[..block.len()];
        let floats = &mut floats[..block.len()];
        halves.iter_mut().zip(block).for_each(|(half, &bytes)| *half = f16::from_ne_bytes(bytes));
        halves.convert_to_f32_slice(floats);
        values.extend_from_slice(floats);
    }
}
