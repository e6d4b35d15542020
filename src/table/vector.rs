//! The vector column: its element type, its dimension and its Arrow form.

use std::fmt;

use arrow::datatypes::DataType;
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
}

impl VectorType {
    /// The name used in schemas, reports and metadata.
    pub fn name(self) -> &'static str {
        match self {
            VectorType::Float32 => "float32",
            VectorType::Float16 => "float16",
            VectorType::BFloat16 => "bfloat16",
            VectorType::Int8 => "int8",
            VectorType::Binary => "binary",
        }
    }

    /// The Arrow type of one stored element (of one byte of eight dimensions for binary vectors).
    pub fn element(self) -> DataType {
        match self {
            VectorType::Float32 => DataType::Float32,
            VectorType::Float16 => DataType::Float16,
            VectorType::BFloat16 => DataType::UInt16,
            VectorType::Int8 => DataType::Int8,
            VectorType::Binary => DataType::UInt8,
        }
    }

    /// Bytes that a vector of `dim` dimensions takes.
    pub fn bytes(self, dim: usize) -> usize {
        match self {
            VectorType::Float32 => dim * 4,
            VectorType::Float16 | VectorType::BFloat16 => dim * 2,
            VectorType::Int8 => dim,
            VectorType::Binary => dim.div_ceil(8),
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

/// Type and dimension of a table's vector column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VectorColumn {
    /// Element type.
    pub vector_type: VectorType,
    /// Number of dimensions (bits for binary vectors, a multiple of eight).
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
        write!(f, "{} × {}", self.vector_type, self.dim)
    }
}
