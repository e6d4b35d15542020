//! The vector column: its element type, its dimension and its Arrow form.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use serde::{Deserialize, Serialize};

/// The element type of a vector, by the name users know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VectorType {
    /// 32-bit floats.
    Float32,
    /// IEEE 754 half floats.
    Float16,
    /// The upper half of a 32-bit float; travels as `UInt16`.
    BFloat16,
    /// Signed bytes.
    Int8,
    /// Packed bits, eight dimensions a byte, the first dimension in the highest bit.
    Binary,
    /// 32-bit floats of which most are zero: pairs of an index and a value.
    Sparse,
}

impl VectorType {
    /// Every vector type.
    pub const ALL: [VectorType; 6] = [
        VectorType::Float32,
        VectorType::Float16,
        VectorType::BFloat16,
        VectorType::Int8,
        VectorType::Binary,
        VectorType::Sparse,
    ];

    /// The name used in schemas, reports and metadata.
    pub fn name(self) -> &'static str {
        match self {
            VectorType::Float32 => "float32",
            VectorType::Float16 => "float16",
            VectorType::BFloat16 => "bfloat16",
            VectorType::Int8 => "int8",
            VectorType::Binary => "binary",
            VectorType::Sparse => "sparse",
        }
    }

    /// The Arrow type of one stored element (of one byte of eight dimensions for binary vectors, of
    /// a pair for sparse ones).
    pub fn element(self) -> DataType {
        match self {
            VectorType::Float32 => DataType::Float32,
            VectorType::Float16 => DataType::Float16,
            VectorType::BFloat16 => DataType::UInt16,
            VectorType::Int8 => DataType::Int8,
            VectorType::Binary => DataType::UInt8,
            VectorType::Sparse => DataType::Struct(Fields::from(vec![
                Field::new("index", DataType::UInt32, false),
                Field::new("value", DataType::Float32, false),
            ])),
        }
    }

    /// The Arrow type of a column of vectors of `dim` dimensions.
    pub fn arrow(self, dim: usize) -> DataType {
        let element = Arc::new(Field::new("item", self.element(), false));
        match self {
            VectorType::Sparse => DataType::List(element),
            _ => {
                let len = i32::try_from(self.list_len(dim)).unwrap_or(i32::MAX);
                DataType::FixedSizeList(element, len)
            }
        }
    }

    /// Bytes that a vector of `dim` dimensions takes; of sparse vectors, nobody knows.
    pub fn bytes(self, dim: usize) -> usize {
        match self {
            VectorType::Float32 => dim * 4,
            VectorType::Float16 | VectorType::BFloat16 => dim * 2,
            VectorType::Int8 => dim,
            VectorType::Binary => dim.div_ceil(8),
            VectorType::Sparse => 0,
        }
    }

    /// Length of the `FixedSizeList` that holds a vector of `dim` dimensions.
    pub fn list_len(self, dim: usize) -> usize {
        match self {
            VectorType::Binary => dim.div_ceil(8),
            _ => dim,
        }
    }
}

impl fmt::Display for VectorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for VectorType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = VectorType::ALL.into_iter().find(|t| t.name() == text);
        named.ok_or_else(|| format!("unknown vector type `{text}`"))
    }
}

/// Type and dimension of a table's vector column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VectorColumn {
    /// Element type.
    pub vector_type: VectorType,
    /// Number of dimensions (bits for binary vectors, a multiple of eight); 0 for sparse vectors,
    /// which have no fixed number.
    pub dim: usize,
}

impl VectorColumn {
    /// Bytes of one vector.
    pub fn row_bytes(self) -> usize {
        self.vector_type.bytes(self.dim)
    }
}

impl fmt::Display for VectorColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vector_type {
            VectorType::Sparse => write!(f, "{}", self.vector_type),
            _ => write!(f, "{} × {}", self.vector_type, self.dim),
        }
    }
}
