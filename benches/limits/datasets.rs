//! Rows from the datasets of an HDF5 file.

use std::ops::Range;
use std::path::Path;

use arrow_array::{Float32Array, Int64Array, RecordBatch};
use ndarray::{Ix1, Ix2};

use crate::rows::batch;

/// The datasets `embeddings` and `ids` of an HDF5 file.
pub struct RowsOfFile {
    vectors: hdf5::Dataset,
    ids: hdf5::Dataset,
    pub rows: usize,
    pub dim: usize,
}

impl RowsOfFile {
    pub fn open(path: &Path) -> RowsOfFile {
        let file = hdf5::File::open(path).unwrap();
        let (vectors, ids) = (file.dataset("embeddings").unwrap(), file.dataset("ids").unwrap());
        let (rows, dim) = (vectors.shape()[0], vectors.shape()[1]);
        RowsOfFile { vectors, ids, rows, dim }
    }

    /// Some of the rows.
    pub fn read(&self, some: Range<usize>) -> RecordBatch {
        let values = self.vectors.read_slice::<f32, _, Ix2>((some.clone(), ..)).unwrap();
        let values = Float32Array::from(values.into_raw_vec_and_offset().0);
        let ids = self.ids.read_slice::<i64, _, Ix1>(some).unwrap();
        batch(Int64Array::from(ids.into_raw_vec_and_offset().0), values, self.dim)
    }
}
