//! One dataset: how it is stored, and rows on their way into it and from one to another.

use std::path::Path;
use std::sync::Arc;

use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type,
};
use arrow_array::{ArrayRef, BooleanArray, FixedSizeListArray, PrimitiveArray, StringArray};
use hdf5::dataset::FillTime;
use hdf5::types::VarLenUnicode;
use hdf5::{Extent, H5Type, Hyperslab, Selection, SimpleExtents, SliceOrIndex};
use ndarray::{ArrayViewD, IxDyn};

use crate::error::Error;
use crate::sink::hdf5::columns::{Column, Element, with_type};
use crate::source::hdf5::innermost_words;
use crate::store::io_error;

/// Bytes of a chunk that is not compressed.
const CHUNK: usize = 1 << 20;
/// Bytes of a compressed chunk, before compression. Each writer has some in libhdf5's cache.
const COMPRESSED_CHUNK: usize = 256 << 10;
/// Slots of that cache's hash table, a prime well above the number of chunks in it.
const CACHE_SLOTS: usize = 10_007;

/// How datasets are stored.
#[derive(Debug, Clone, Copy)]
pub struct Storage {
    /// Level of gzip.
    pub gzip: Option<u8>,
    /// Writers at once, each of which fills chunks of its own.
    pub writers: usize,
}

/// An error of libhdf5 while `doing` something with the file at `path`.
pub fn library_error(doing: &str, path: &Path, error: &hdf5::Error) -> Error {
    let words = innermost_words(error);
    // libhdf5 passes the system's error on in words.
    let number = words
        .split_once("errno = ")
        .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse());
    match number {
        Some(Ok(number)) => io_error(doing, path, std::io::Error::from_raw_os_error(number)),
        _ => Error::target(format!("Cannot {doing}")).because(words).at(path.display()),
    }
}

impl Column {
    /// Makes the dataset of this column for `rows` rows.
    pub fn create(
        &self,
        file: &hdf5::File,
        rows: usize,
        storage: Storage,
    ) -> hdf5::Result<hdf5::Dataset> {
        let chunk_bytes = if storage.gzip.is_some() { COMPRESSED_CHUNK } else { CHUNK };
        let chunk_rows = (chunk_bytes / self.row_bytes().max(1)).clamp(1, rows.max(1));
        let (mut extents, mut chunk) = (vec![Extent::resizable(rows)], vec![chunk_rows]);
        extents.extend(self.width.map(Extent::fixed));
        chunk.extend(self.width);
        let mut builder = file
            .new_dataset_builder()
            .empty_as(self.element.descriptor())
            .shape(SimpleExtents::from_vec(extents))
            .chunk(chunk);
        // libhdf5 must know where no string is; other rows are all written, or cut off.
        let is_text = self.element == Element::Text;
        builder = builder.fill_time(if is_text { FillTime::IfSet } else { FillTime::Never });
        match storage.gzip {
            Some(level) => {
                let cache = chunk_bytes.max(self.row_bytes()) * (2 * storage.writers + 2);
                builder = builder.chunk_cache(CACHE_SLOTS, cache, 1.0).shuffle().deflate(level);
            }
            // Without a cache rows go straight from their batch into the file.
            None if !is_text => builder = builder.chunk_cache(0, 0, 0.0),
            None => {}
        }
        builder.create(self.dataset.as_str())
    }

    /// Writes a column of a batch from `row` on. Vectors are handed over where they lie.
    ///
    /// # Errors
    /// What libhdf5 says, and strings with a zero byte, at which its strings end.
    pub fn write(&self, to: &hdf5::Dataset, row: usize, column: &ArrayRef) -> hdf5::Result<()> {
        let values = match column.as_fixed_size_list_opt() {
            Some(list) => list.values(),
            None => column,
        };
        match self.element {
            Element::F16 => self.put(to, row, numbers::<Float16Type>(values)),
            Element::F32 => self.put(to, row, numbers::<Float32Type>(values)),
            Element::F64 => self.put(to, row, numbers::<Float64Type>(values)),
            Element::I8 => self.put(to, row, numbers::<Int8Type>(values)),
            Element::I16 => self.put(to, row, numbers::<Int16Type>(values)),
            Element::I32 => self.put(to, row, numbers::<Int32Type>(values)),
            Element::I64 => self.put(to, row, numbers::<Int64Type>(values)),
            Element::U8 => self.put(to, row, numbers::<UInt8Type>(values)),
            Element::Bool => {
                let values: Option<Vec<bool>> =
                    values.as_boolean_opt().map(|values| values.values().iter().collect());
                self.put(to, row, values.as_deref())
            }
            Element::Text => {
                let texts = values.as_string_opt::<i32>().map(|texts| {
                    texts
                        .iter()
                        .flatten()
                        .map(str::parse)
                        .collect::<Result<Vec<VarLenUnicode>, _>>()
                });
                let texts =
                    texts.transpose().map_err(|error| hdf5::Error::from(error.to_string()))?;
                self.put(to, row, texts.as_deref())
            }
        }
    }

    /// Reads rows as a column of a batch.
    ///
    /// # Errors
    /// What libhdf5 says.
    pub fn read(
        &self,
        from: &hdf5::Dataset,
        (row, rows): (usize, usize),
        field: &Field,
    ) -> hdf5::Result<ArrayRef> {
        let values: ArrayRef = match self.element {
            Element::F16 => self.get::<Float16Type>(from, row, rows)?,
            Element::F32 => self.get::<Float32Type>(from, row, rows)?,
            Element::F64 => self.get::<Float64Type>(from, row, rows)?,
            Element::I8 => self.get::<Int8Type>(from, row, rows)?,
            Element::I16 => self.get::<Int16Type>(from, row, rows)?,
            Element::I32 => self.get::<Int32Type>(from, row, rows)?,
            Element::I64 => self.get::<Int64Type>(from, row, rows)?,
            Element::U8 => self.get::<UInt8Type>(from, row, rows)?,
            Element::Bool => Arc::new(BooleanArray::from(self.raw::<bool>(from, row, rows)?)),
            Element::Text => {
                let texts = self.raw::<VarLenUnicode>(from, row, rows)?;
                Arc::new(StringArray::from_iter_values(texts.iter().map(VarLenUnicode::as_str)))
            }
        };
        let DataType::FixedSizeList(element, len) = field.data_type() else { return Ok(values) };
        FixedSizeListArray::try_new(Arc::clone(element), *len, values, None)
            .map(|list| Arc::new(list) as ArrayRef)
            .map_err(|error| hdf5::Error::from(error.to_string()))
    }

    fn get<T: ArrowPrimitiveType>(
        &self,
        from: &hdf5::Dataset,
        row: usize,
        rows: usize,
    ) -> hdf5::Result<ArrayRef>
    where
        T::Native: H5Type,
    {
        let values: ScalarBuffer<T::Native> = self.raw(from, row, rows)?.into();
        Ok(Arc::new(PrimitiveArray::<T>::new(values, None)))
    }

    fn raw<T: H5Type>(
        &self,
        from: &hdf5::Dataset,
        row: usize,
        rows: usize,
    ) -> hdf5::Result<Vec<T>> {
        let values = from.as_reader().read_slice::<T, _, IxDyn>(self.selection(row, rows))?;
        Ok(values.into_raw_vec_and_offset().0)
    }

    /// Copies `rows` rows of `from` into `to`, in memory as one piece.
    pub fn copy(
        &self,
        (from, from_row): (&hdf5::Dataset, usize),
        (to, to_row): (&hdf5::Dataset, usize),
        rows: usize,
    ) -> hdf5::Result<()> {
        let selection = self.selection(from_row, rows);
        with_type!(self.element, T => {
            let values = from.as_reader().read_slice::<T, _, IxDyn>(selection)?;
            self.put(to, to_row, values.as_slice())
        })
    }

    /// Sets the dataset's number of rows.
    pub fn resize(&self, dataset: &hdf5::Dataset, rows: usize) -> hdf5::Result<()> {
        dataset.resize(self.shape(rows))
    }

    fn put<T: H5Type>(
        &self,
        to: &hdf5::Dataset,
        row: usize,
        values: Option<&[T]>,
    ) -> hdf5::Result<()> {
        let values = values.ok_or("a column of a batch has another type than planned")?;
        let rows = values.len() / self.width.unwrap_or(1).max(1);
        let view = ArrayViewD::from_shape(self.shape(rows), values)
            .map_err(|error| hdf5::Error::from(error.to_string()))?;
        to.as_writer().write_slice(view, self.selection(row, rows))
    }

    fn shape(&self, rows: usize) -> Vec<usize> {
        std::iter::once(rows).chain(self.width).collect()
    }

    fn selection(&self, row: usize, rows: usize) -> Selection {
        let mut slices = vec![SliceOrIndex::from(row..row + rows)];
        slices.extend(self.width.map(|width| SliceOrIndex::from(0..width)));
        Selection::new(Hyperslab::from(slices))
    }
}

fn numbers<T: ArrowPrimitiveType>(values: &ArrayRef) -> Option<&[T::Native]> {
    values.as_primitive_opt::<T>().map(|values| &**values.values())
}
