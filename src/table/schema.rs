//! The Arrow schema of a table and the role of each of its columns.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::table::{VectorColumn, VectorType};

/// Field metadata key that holds a column's [`Role`].
pub const ROLE: &str = "vecpipe.role";
/// Field metadata key that holds the [`VectorType`] name of a vector column.
pub const VECTOR_TYPE: &str = "vecpipe.vector";

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The primary key: `Int64` or `Utf8`, never null.
    Id,
    /// A vector.
    Vector,
    /// Anything else.
    Scalar,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Id => "id",
            Role::Vector => "vector",
            Role::Scalar => "scalar",
        }
    }

    /// The role written in a field's metadata; a field without one is a scalar.
    pub fn of(field: &Field) -> Role {
        match field.metadata().get(ROLE).map(String::as_str) {
            Some("id") => Role::Id,
            Some("vector") => Role::Vector,
            _ => Role::Scalar,
        }
    }
}

/// An id column of type `Int64` or `Utf8`.
pub fn id_field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
        .with_metadata(HashMap::from([(ROLE.to_owned(), Role::Id.name().to_owned())]))
}

/// A vector column: a `FixedSizeList` (a `List` of sparse vectors) whose elements are never null.
pub fn vector_field(name: &str, column: VectorColumn) -> Field {
    Field::new(name, column.vector_type.arrow(column.dim), false).with_metadata(HashMap::from([
        (ROLE.to_owned(), Role::Vector.name().to_owned()),
        (VECTOR_TYPE.to_owned(), column.vector_type.name().to_owned()),
    ]))
}

/// An Arrow schema with exactly one id column and at least one vector column, decided once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    arrow: SchemaRef,
    id: usize,
    vector: usize,
    column: VectorColumn,
}

impl TableSchema {
    /// The usual table: an `Int64` id and one vector column.
    pub fn of_vectors(id: &str, vector: &str, column: VectorColumn) -> Self {
        let arrow = Schema::new(vec![id_field(id, DataType::Int64), vector_field(vector, column)]);
        TableSchema { arrow: Arc::new(arrow), id: 0, vector: 1, column }
    }

    /// Reads the roles off an Arrow schema.
    ///
    /// # Errors
    /// [`Kind::Source`](crate::error::Kind::Source) when there is not exactly one id column, no
    /// vector column, or a column whose type does not fit its role.
    pub fn new(arrow: SchemaRef) -> Result<Self> {
        let with_role = |role| {
            arrow
                .fields()
                .iter()
                .enumerate()
                .filter(move |(_, f)| Role::of(f) == role)
                .map(|(i, _)| i)
        };
        let ids: Vec<_> = with_role(Role::Id).collect();
        let &[id] = ids.as_slice() else {
            return Err(Error::source(format!(
                "A table needs one id column, this one has {}",
                ids.len()
            )));
        };
        let id_type = arrow.field(id).data_type();
        if !matches!(id_type, DataType::Int64 | DataType::Utf8) {
            return Err(Error::source(format!(
                "Id column `{}` is {id_type}, ids are Int64 or Utf8",
                arrow.field(id).name()
            )));
        }
        let vector = with_role(Role::Vector)
            .next()
            .ok_or_else(|| Error::source("A table needs a vector column, this one has none"))?;
        let column = vector_column(arrow.field(vector))?;
        Ok(TableSchema { arrow, id, vector, column })
    }

    /// The same with an entry of the Arrow schema's metadata.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_metadata(&self, key: &str, value: String) -> Result<Self> {
        let mut metadata = self.arrow.metadata().clone();
        metadata.insert(key.to_owned(), value);
        TableSchema::new(Arc::new(Schema::clone(&self.arrow).with_metadata(metadata)))
    }

    /// The Arrow schema, roles in its field metadata.
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    /// Index of the id column.
    pub fn id_index(&self) -> usize {
        self.id
    }

    /// Index of the (first) vector column.
    pub fn vector_index(&self) -> usize {
        self.vector
    }

    /// The id column's field.
    pub fn id(&self) -> &Field {
        self.arrow.field(self.id)
    }

    /// The (first) vector column's field.
    pub fn vector(&self) -> &Field {
        self.arrow.field(self.vector)
    }

    /// Type and dimension of the (first) vector column.
    pub fn column(&self) -> VectorColumn {
        self.column
    }

    /// Bytes that one row takes in memory, variable-length scalars taken as 64 bytes.
    pub fn row_bytes(&self) -> usize {
        self.arrow.fields().iter().map(|f| type_bytes(f.data_type())).sum()
    }
}

/// Type and dimension of a field with the role `vector`.
///
/// # Errors
/// When its type is not one of vectors.
pub fn vector_column(field: &Field) -> Result<VectorColumn> {
    let wrong = || {
        Error::source(format!(
            "Vector column `{}` has the type {}, expected a fixed-size list of float32, float16, int8 or bytes, or a list of pairs",
            field.name(),
            field.data_type()
        ))
    };
    if *field.data_type() == VectorType::Sparse.arrow(0) {
        return Ok(VectorColumn { vector_type: VectorType::Sparse, dim: 0 });
    }
    let DataType::FixedSizeList(element, len) = field.data_type() else { return Err(wrong()) };
    let vector_type = match (element.data_type(), field.metadata().get(VECTOR_TYPE)) {
        (_, Some(name)) => VectorType::from_str(name).map_err(|_| wrong())?,
        (DataType::Float32, None) => VectorType::Float32,
        (DataType::Float16, None) => VectorType::Float16,
        (DataType::Int8, None) => VectorType::Int8,
        (DataType::UInt8, None) => VectorType::Binary,
        _ => return Err(wrong()),
    };
    if vector_type.element() != *element.data_type() {
        return Err(wrong());
    }
    let len = usize::try_from(*len).map_err(|_| wrong())?;
    let dim = if vector_type == VectorType::Binary { len * 8 } else { len };
    Ok(VectorColumn { vector_type, dim })
}

fn type_bytes(data_type: &DataType) -> usize {
    match data_type {
        DataType::FixedSizeList(element, len) => {
            type_bytes(element.data_type()) * usize::try_from(*len).unwrap_or(0)
        }
        DataType::Boolean => 1,
        other => other.primitive_width().unwrap_or(64),
    }
}
