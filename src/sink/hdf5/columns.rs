//! Which dataset each column becomes, and its type.

use arrow::datatypes::{DataType, Field};
use hdf5::H5Type;
use hdf5::types::TypeDescriptor;

use crate::error::{Error, Result};
use crate::table::{ColumnRule, Role, RowRules, TableSchema, VectorType, vector_column};

/// The dataset of vectors, which the source `hdf5` takes where it is told nothing else.
pub const VECTORS: &str = "embeddings";
/// The dataset of ids, likewise.
pub const IDS: &str = "ids";

/// The type of one element of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// float16.
    F16,
    /// float32.
    F32,
    /// float64.
    F64,
    /// int8.
    I8,
    /// int16.
    I16,
    /// int32.
    I32,
    /// int64.
    I64,
    /// uint8, which also holds eight bits of a binary vector.
    U8,
    /// HDF5's and h5py's form of a boolean: an enumeration of FALSE and TRUE.
    Bool,
    /// UTF-8 strings of variable length.
    Text,
}

/// Evaluates `$body` with `$type` as the type that libhdf5 reads and writes for `$element`.
macro_rules! with_type {
    ($element:expr, $type:ident => $body:expr) => {{
        use $crate::sink::hdf5::columns::Element;
        macro_rules! each {
            ($native:ty) => {{
                type $type = $native;
                $body
            }};
        }
        match $element {
            Element::F16 => each!(half::f16),
            Element::F32 => each!(f32),
            Element::F64 => each!(f64),
            Element::I8 => each!(i8),
            Element::I16 => each!(i16),
            Element::I32 => each!(i32),
            Element::I64 => each!(i64),
            Element::U8 => each!(u8),
            Element::Bool => each!(bool),
            Element::Text => each!(hdf5::types::VarLenUnicode),
        }
    }};
}
pub(super) use with_type;

impl Element {
    /// The type as libhdf5 describes it.
    pub fn descriptor(self) -> TypeDescriptor {
        with_type!(self, T => T::type_descriptor())
    }

    /// Bytes of one element in memory, strings without their text.
    pub fn width(self) -> usize {
        with_type!(self, T => size_of::<T>())
    }

    fn of_scalar(data_type: &DataType) -> Option<Element> {
        Some(match data_type {
            DataType::Float32 => Element::F32,
            DataType::Float64 => Element::F64,
            DataType::Int8 => Element::I8,
            DataType::Int16 => Element::I16,
            DataType::Int32 => Element::I32,
            DataType::Int64 => Element::I64,
            DataType::Boolean => Element::Bool,
            DataType::Utf8 => Element::Text,
            _ => return None,
        })
    }

    fn of_vector(vector_type: VectorType) -> Option<Element> {
        Some(match vector_type {
            VectorType::Float32 => Element::F32,
            VectorType::Float16 => Element::F16,
            VectorType::Int8 => Element::I8,
            VectorType::Binary => Element::U8,
            // HDF5 has no such type, and readers would take its bytes for something else.
            VectorType::BFloat16 | VectorType::Sparse => return None,
        })
    }
}

/// A column of the table and the dataset that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name of the dataset.
    pub dataset: String,
    /// Type of its elements.
    pub element: Element,
    /// Elements of one row, for a dataset of two dimensions.
    pub width: Option<usize>,
}

impl Column {
    /// Bytes of one row, a string taken as 64.
    pub fn row_bytes(&self) -> usize {
        let element = if self.element == Element::Text { 64 } else { self.element.width() };
        element * self.width.unwrap_or(1)
    }
}

/// The datasets of a table, in the order of its columns.
///
/// # Errors
/// When a column has a type that a dataset can't hold, or a name that it can't have.
pub fn columns(schema: &TableSchema) -> Result<Vec<Column>> {
    let mut columns: Vec<Column> = Vec::new();
    for (index, field) in schema.arrow().fields().iter().enumerate() {
        let (element, width) = kind(field).map_err(|error| error.at(field.name()))?;
        let dataset = if index == schema.id_index() {
            IDS
        } else if index == schema.vector_index() {
            VECTORS
        } else {
            plain(field.name())?
        };
        if columns.iter().any(|column| column.dataset == dataset) {
            return Err(Error::target(format!("Two columns would become the dataset `{dataset}`"))
                .at(field.name())
                .help("give one of them another name with the transform `rename`, or leave it out with `select`; the id becomes `ids`, the vector `embeddings`"));
        }
        columns.push(Column { dataset: dataset.to_owned(), element, width });
    }
    Ok(columns)
}

/// Which rows datasets can hold: they have no nulls, and their strings end at a zero byte.
pub fn rules(columns: &[Column]) -> RowRules {
    let rule = |column: &Column| ColumnRule {
        name: column.dataset.clone(),
        no_zero_bytes: column.element == Element::Text,
        ..ColumnRule::default()
    };
    RowRules::new(columns.iter().map(rule).collect())
}

fn kind(field: &Field) -> Result<(Element, Option<usize>)> {
    let data_type = field.data_type();
    match (Role::of(field), data_type) {
        (Role::Id, DataType::Int64) => Ok((Element::I64, None)),
        (Role::Id, _) => Err(Error::target(format!(
            "The ids are {data_type}, HDF5 files for Milvus hold integers"
        ))
        .help("write such a table with the sink `parquet`")),
        (Role::Vector, DataType::FixedSizeList(_, len)) => {
            let vector_type = vector_column(field)?.vector_type;
            let element = Element::of_vector(vector_type).ok_or_else(|| {
                Error::target(format!("HDF5 has no type for {vector_type} vectors")).help(format!(
                    "turn them into float32, which holds each value exactly: `- cast: {{ {}: float32 }}`",
                    field.name()
                ))
            })?;
            Ok((element, Some(usize::try_from(*len).unwrap_or(0))))
        }
        _ => Element::of_scalar(data_type).map(|element| (element, None)).ok_or_else(|| {
            Error::target(format!("A dataset can't hold values of the type {data_type}"))
                .help("leave the column out with the transform `select`, or use the sink `parquet`")
        }),
    }
}

/// A name that is one dataset's: to libhdf5 a slash leads into a group, and a dot stays where it is.
fn plain(name: &str) -> Result<&str> {
    if name.is_empty() || name == "." || name.contains(['/', '\0']) {
        return Err(Error::target(format!("No dataset can be called `{name}`"))
            .help("give the column another name with the transform `rename`"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_as_wide_as_libhdf5_says() {
        for element in [Element::F16, Element::F32, Element::I64, Element::U8, Element::Bool] {
            assert_eq!(element.descriptor().size(), element.width());
        }
        assert_eq!(Element::Text.descriptor(), TypeDescriptor::VarLenUnicode);
    }
}
