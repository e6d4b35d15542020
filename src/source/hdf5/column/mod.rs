//! From rows as bytes to the columns of a table: vectors and ids.

mod ids;
mod vectors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::buffer::ScalarBuffer;
use arrow::datatypes::ArrowNativeType;

pub use self::ids::{Ids, StoredIds};
pub use self::vectors::Vectors;
use crate::error::{Error, Result};
use crate::source::hdf5::dataset::{Dataset, Element, shape_words};
use crate::source::rows::values;
use crate::table::{Misfit, TableSchema, VectorType};

/// More dimensions than any vector has: such a dataset was probably meant the other way round.
const MAX_DIM: u64 = 1 << 20;

/// Rows that their columns can't hold.
#[derive(Debug)]
pub struct Unfit {
    /// Names of the id column and of the vector column.
    names: [String; 2],
    /// The file.
    path: PathBuf,
    /// The first row that is read, within the file.
    first_row: u64,
    rows: BTreeMap<usize, Misfit>,
}

impl Unfit {
    /// None so far, of rows that begin with row `first_row` of the file at `path`.
    pub fn none(schema: &TableSchema, path: &Path, first_row: u64) -> Unfit {
        let names = [schema.id().name().clone(), schema.vector().name().clone()];
        Unfit { names, path: path.to_owned(), first_row, rows: BTreeMap::new() }
    }

    fn id(&mut self, row: usize, what: String) {
        let help = "set `ids` of source.hdf5 to another dataset, write these as int64";
        self.add(row, self.names[0].clone(), what, help);
    }

    fn vector(&mut self, row: usize, what: String) {
        self.add(row, self.names[1].clone(), what, "scale the vectors");
    }

    fn add(&mut self, row: usize, column: String, what: String, help: &'static str) {
        if self.rows.get(&row).is_some_and(|misfit| misfit.lost.contains(&column)) {
            return;
        }
        let number = self.first_row + row as u64;
        let at = Some(format!("{}, row {number}", self.path.display()));
        let misfit = Misfit { at, help: Some(help), ..Misfit::lost(column, what) };
        misfit.add_to(&mut self.rows, row);
    }

    /// The first of them as an error: for those who only look at a few rows.
    ///
    /// # Errors
    /// When there is one.
    pub fn refuse(self) -> Result<()> {
        self.rows.into_values().next().map_or(Ok(()), |misfit| {
            Err(Error::source(format!("A row can't be shown: {}", misfit.what))
                .at(misfit.at.unwrap_or_default()))
        })
    }

    /// Those among `len` rows from `first` on, by their numbers there.
    pub fn within(&self, first: usize, len: usize) -> BTreeMap<usize, Misfit> {
        let rows = self.rows.range(first..first + len);
        rows.map(|(row, misfit)| (row - first, misfit.clone())).collect()
    }
}

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

/// Bytes as values, without a copy where the allocator placed them well, which it does.
fn scalars<T: ArrowNativeType>(bytes: Vec<u8>) -> ScalarBuffer<T> {
    values(bytes, align_of::<T>()).into()
}
