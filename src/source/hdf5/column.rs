//! From rows as bytes to the columns of a table: vectors and ids.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::{Buffer, MutableBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType, Field};
use arrow_array::types::{Float32Type, Int64Type, UInt8Type};
use arrow_array::{ArrayRef, FixedSizeListArray, Int64Array, PrimitiveArray};
use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::error::{Error, Result};
use crate::source::hdf5::dataset::{Dataset, Element, shape_words};
use crate::source::hdf5::storage::RowReader;
use crate::table::{VectorColumn, VectorType};

/// Bytes that are converted at once; they stay in the processor's cache.
const PIECE: usize = 256 << 10;
/// More dimensions than any vector has: such a dataset was probably meant the other way round.
const MAX_DIM: u64 = 1 << 20;

/// The vectors of a dataset.
///
/// # Errors
/// When the dataset's type or shape is not one of vectors. `None` stands for a dataset without
/// rows that does not say how many dimensions its rows would have.
pub fn vector_column(dataset: &Dataset) -> Result<(VectorType, Option<usize>)> {
    let wrong =
        |expected: &str| Error::source(format!("{}, expected {expected}", dataset.describe()));
    let empty = dataset.rows() == 0;
    let row = match *dataset.shape.as_slice() {
        [0] => None,
        [_] => Some(1),
        [_, 0] if empty => None,
        [_, n] => Some(n),
        _ => return Err(wrong("two dimensions [rows, dim]")),
    };
    let rank = dataset.shape.len();
    let vector_type = match dataset.element {
        Some(Element::Float(_)) => VectorType::Float32,
        Some(Element::Unsigned(1)) => VectorType::Binary,
        Some(Element::Bytes(width)) => {
            return match row {
                None | Some(1) => Ok((VectorType::Binary, Some(dim_of(width as u64, 8, dataset)?))),
                _ => Err(wrong("byte strings in one dimension [rows]")),
            };
        }
        _ => {
            return Err(wrong(
                "float16, float32 or float64 [rows, dim], or packed bits as uint8 [rows, dim / 8] or byte strings [rows]",
            ));
        }
    };
    if rank == 1 && !empty {
        return Err(wrong("two dimensions [rows, dim]"));
    }
    let bits = if vector_type == VectorType::Binary { 8 } else { 1 };
    Ok((vector_type, row.map(|n| dim_of(n, bits, dataset)).transpose()?))
}

fn dim_of(elements: u64, bits: u64, dataset: &Dataset) -> Result<usize> {
    let dim = elements.saturating_mul(bits);
    match usize::try_from(dim) {
        Ok(0) => {
            Err(Error::source(format!("{}: its vectors have no dimensions", dataset.describe())))
        }
        Ok(n) if dim <= MAX_DIM => Ok(n),
        _ => Err(Error::source(format!(
            "{}: vectors of {dim} dimensions, the limit is {MAX_DIM}",
            dataset.describe()
        ))
        .help("rows are the first dimension of a dataset; is this one transposed?")),
    }
}

/// Checks that a dataset can be ids of `rows` rows.
///
/// # Errors
/// When its type, shape or length is another.
pub fn check_ids(ids: &Dataset, vectors: &Dataset) -> Result<()> {
    if !matches!(ids.element, Some(Element::Signed(_) | Element::Unsigned(_)))
        || !matches!(*ids.shape.as_slice(), [_] | [_, 1] | [0, _])
    {
        return Err(Error::source(format!(
            "{}, expected integers of shape [{}] or [{}, 1]",
            ids.describe(),
            vectors.rows(),
            vectors.rows()
        )));
    }
    if ids.rows() != vectors.rows() {
        return Err(Error::source(format!(
            "`{}` has {} rows {}, `{}` has {} {}",
            ids.path,
            ids.rows(),
            shape_words(&ids.shape),
            vectors.path,
            vectors.rows(),
            shape_words(&vectors.shape)
        ))
        .help("each vector needs one id: write both datasets with the same number of rows"));
    }
    Ok(())
}

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

    /// Reads `rows` of the file's dataset.
    ///
    /// # Errors
    /// When they can't be read, or a float64 is too large for a float32.
    pub fn read(&mut self, rows: Range<u64>) -> Result<ArrayRef> {
        let (element, values): (DataType, ArrayRef) = match self.element {
            Element::Float(4) => {
                let mut bytes = Vec::new();
                self.rows.append(rows, &mut bytes)?;
                let values = PrimitiveArray::<Float32Type>::new(scalars(bytes), None);
                (DataType::Float32, Arc::new(values))
            }
            Element::Float(_) => {
                let values = PrimitiveArray::<Float32Type>::new(self.convert(rows)?.into(), None);
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
    fn convert(&mut self, rows: Range<u64>) -> Result<Vec<f32>> {
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
                if values[first..].iter().any(|v| v.is_infinite())
                    && let Some((at, value)) = doubles()
                        .enumerate()
                        .find(|&(at, v)| v.is_finite() && values[first + at].is_infinite())
                {
                    return Err(Error::source(format!(
                        "Row {} holds {value:e} in dimension {}, which is too large for a float32",
                        row + (at / self.column.dim) as u64,
                        at % self.column.dim
                    ))
                    .at(self.rows.place())
                    .help("float64 vectors become float32; scale them, or leave the row out"));
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

/// Bytes as values, without a copy where the allocator placed them well, which it does.
fn scalars<T: ArrowNativeType>(bytes: Vec<u8>) -> ScalarBuffer<T> {
    let buffer = Buffer::from_vec(bytes);
    if buffer.as_ptr().align_offset(align_of::<T>()) == 0 {
        return buffer.into();
    }
    let mut aligned = MutableBuffer::with_capacity(buffer.len());
    aligned.extend_from_slice(&buffer);
    ScalarBuffer::from(Buffer::from(aligned))
}

/// Where the ids of rows come from.
#[derive(Debug)]
pub enum Ids {
    /// A dataset of integers.
    Stored(StoredIds),
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

    /// The ids of `rows` of the file.
    ///
    /// # Errors
    /// When they can't be read, or one does not fit 64 bits with a sign.
    pub fn read(&mut self, rows: Range<u64>) -> Result<ArrayRef> {
        match self {
            Ids::Stored(ids) => ids.read(rows),
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

    fn read(&mut self, rows: Range<u64>) -> Result<ArrayRef> {
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
            _ => self.integers(&bytes, rows.start)?.into(),
        };
        Ok(Arc::new(PrimitiveArray::<Int64Type>::new(values, None)))
    }

    fn integers(&self, bytes: &[u8], first_row: u64) -> Result<Vec<i64>> {
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
        Ok(match self.element {
            Element::Signed(1) => widen!(i8),
            Element::Signed(2) => widen!(i16),
            Element::Signed(_) => widen!(i32),
            Element::Unsigned(1) => widen!(u8),
            Element::Unsigned(2) => widen!(u16),
            Element::Unsigned(4) => widen!(u32),
            _ => {
                let mut ids = Vec::with_capacity(bytes.len() / 8);
                for (row, &id) in (first_row..).zip(bytes.as_chunks::<8>().0) {
                    let id = u64::from_ne_bytes(id);
                    ids.push(i64::try_from(id).map_err(|_| {
                        Error::source(format!("Row {row} has the id {id}, ids go up to {}", i64::MAX))
                            .at(self.rows.place())
                            .help("leave `ids` out of source.hdf5 and the dataset `ids` out of the file to number the rows")
                    })?);
                }
                ids
            }
        })
    }
}
