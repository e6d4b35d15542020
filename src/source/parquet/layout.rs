//! Which of a file's columns is what: decided once from its schema.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use crate::error::{Error, Result};
use crate::milvus::v2::definition::{DEFINITION, FIELD};
use crate::source::parquet::Config;
use crate::table::{
    EXTENSION_NAME, ROLE, Role, TableSchema, VECTOR_TYPE, VectorColumn, VectorType, id_field,
    vector_field,
};

/// Names that make a column the id when nothing else says which it is.
const ID_NAMES: [&str; 3] = ["id", "ids", "pk"];

/// The id column of a file without one.
const ROW_NUMBERS: &str = "id";

/// The roles of a file's columns.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The id column; none when rows are numbered.
    pub id: Option<usize>,
    /// The vector column.
    pub vector: usize,
    /// The vectors' element type at the target.
    pub vector_type: VectorType,
    /// True when the file's float64 values become float32.
    pub narrowed: bool,
    /// Elements of a vector, where the schema says so; lists have any length.
    pub list_len: Option<usize>,
    /// The table's columns, apart from the vector's dimension.
    columns: Vec<Column>,
    /// What the table was at a server, where the file says so.
    metadata: HashMap<String, String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Metadata that files are read with: what columns and tables were where they come from.
const KEPT: [&str; 3] = [DEFINITION, FIELD, EXTENSION_NAME];

/// What is kept of a field's metadata, besides its role.
type Kept = HashMap<String, String>;

fn kept(field: &Field) -> Kept {
    let known = |(key, _): &(&String, &String)| KEPT.contains(&key.as_str());
    let kept = field.metadata().iter().filter(known);
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn with_kept(field: Field, kept: &Kept) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.extend(kept.clone());
    field.with_metadata(metadata)
}

/// One column of the table.
#[derive(Debug, Clone)]
enum Column {
    RowNumbers,
    Id(String, DataType, Kept),
    /// May it be null? Only where vecpipe wrote it.
    Vector(String, Kept, bool),
    Other(FieldRef),
}

impl Layout {
    /// Reads the roles off a file's schema and the configuration.
    ///
    /// # Errors
    /// [`Kind::Source`](crate::error::Kind::Source) when a configured column is missing, there is
    /// no vector column or more than one, or a type does not fit its role.
    pub fn resolve(config: &Config, schema: &Schema) -> Result<Layout> {
        let mut notes = Vec::new();
        let vector = vector_index(config, schema)?;
        let (vector_type, list_len) = vector_type(schema.field(vector), &mut notes)?;
        let narrowed = element(schema.field(vector).data_type()) == Some(&DataType::Float64);
        let id = id_index(config, schema, vector)?;
        let known = |(key, _): &(&String, &String)| KEPT.contains(&key.as_str());
        let metadata = schema.metadata().iter().filter(known);
        let metadata = metadata.map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut columns = Vec::new();
        if id.is_none() {
            columns.push(Column::RowNumbers);
            notes.push("there is no id column, so the rows are numbered from 0".to_owned());
        }
        for (index, field) in schema.fields().iter().enumerate() {
            let name = field.name().clone();
            columns.push(if index == vector {
                let nullable = field.is_nullable() && Role::of(field) == Role::Vector;
                Column::Vector(name, kept(field), nullable)
            } else if Some(index) == id {
                Column::Id(name, id_type(field)?, kept(field))
            } else {
                Column::Other(other_field(field, config.vector.is_none() && index > vector))
            });
        }
        Ok(Layout { id, vector, vector_type, narrowed, list_len, columns, metadata, notes })
    }

    /// The table's schema, for vectors of `list_len` elements (bytes, for binary ones).
    ///
    /// # Errors
    /// As [`TableSchema::new`].
    pub fn schema(&self, list_len: usize) -> Result<TableSchema> {
        let dim = if self.vector_type == VectorType::Binary { list_len * 8 } else { list_len };
        let column = VectorColumn { vector_type: self.vector_type, dim };
        let fields: Vec<FieldRef> = self
            .columns
            .iter()
            .map(|kind| match kind {
                Column::RowNumbers => Arc::new(id_field(ROW_NUMBERS, DataType::Int64)),
                Column::Id(name, data_type, kept) => {
                    Arc::new(with_kept(id_field(name, data_type.clone()), kept))
                }
                Column::Vector(name, kept, nullable) => {
                    let field = with_kept(vector_field(name, column), kept);
                    Arc::new(field.with_nullable(*nullable))
                }
                Column::Other(field) => Arc::clone(field),
            })
            .collect();
        let metadata = self.metadata.clone();
        TableSchema::new(Arc::new(Schema::new_with_metadata(fields, metadata)))
    }
}

fn vector_index(config: &Config, schema: &Schema) -> Result<usize> {
    if let Some(name) = &config.vector {
        return named(schema, name, "vector");
    }
    let fields = || schema.fields().iter().enumerate();
    if let Some((index, _)) = fields().find(|(_, field)| Role::of(field) == Role::Vector) {
        return Ok(index);
    }
    let lists: Vec<_> = fields()
        .filter(|(_, f)| element(f.data_type()).is_some_and(DataType::is_numeric))
        .collect();
    match lists.as_slice() {
        [(index, _)] => Ok(*index),
        [] => Err(Error::source(format!(
            "There is no list column that could hold vectors; the columns are {}",
            describe(schema)
        ))
        .help("vectors are lists, of a fixed size or all of one length, of floats or bytes")),
        several => {
            let names: Vec<_> = several.iter().map(|(_, f)| format!("`{}`", f.name())).collect();
            Err(Error::source(format!(
                "Several list columns could hold the vectors: {}",
                names.join(", ")
            ))
            .help("say which by `vector: <column>`"))
        }
    }
}

fn id_index(config: &Config, schema: &Schema, vector: usize) -> Result<Option<usize>> {
    if let Some(name) = &config.id {
        return named(schema, name, "id").map(Some);
    }
    let fields = || schema.fields().iter().enumerate().filter(|(index, _)| *index != vector);
    let marked = fields().find(|(_, field)| Role::of(field) == Role::Id);
    let by_name = || {
        ID_NAMES.iter().find_map(|name| fields().find(|(_, f)| f.name().eq_ignore_ascii_case(name)))
    };
    Ok(marked.or_else(by_name).map(|(index, _)| index))
}

fn named(schema: &Schema, name: &str, role: &str) -> Result<usize> {
    schema.index_of(name).map_err(|_| {
        Error::source(format!("There is no column `{name}` to be the {role}"))
            .help(format!("the columns are {}", describe(schema)))
    })
}

fn describe(schema: &Schema) -> String {
    let columns: Vec<_> =
        schema.fields().iter().map(|f| format!("`{}` ({})", f.name(), f.data_type())).collect();
    columns.join(", ")
}

fn element(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::FixedSizeList(element, _)
        | DataType::List(element)
        | DataType::LargeList(element) => Some(element.data_type()),
        _ => None,
    }
}

/// The type and, for fixed-size lists, the length of the vectors in `field`.
fn vector_type(field: &Field, notes: &mut Vec<String>) -> Result<(VectorType, Option<usize>)> {
    let (name, data_type) = (field.name(), field.data_type());
    let wrong = |what: &str| {
        Error::source(format!("Column `{name}` has the type {data_type}, {what}"))
            .help("vectors are lists of float16, float32, float64, int8, or uint8 (packed bits)")
    };
    let element = element(data_type).ok_or_else(|| wrong("which is not a list"))?;
    let marked = field.metadata().get(VECTOR_TYPE).map(|name| VectorType::from_str(name));
    let vector_type = match (element, marked) {
        (_, Some(Err(_))) => return Err(wrong("and is marked as a vector of an unknown type")),
        (_, Some(Ok(marked))) if marked.element() == *element => marked,
        (_, Some(Ok(marked))) => return Err(wrong(&format!("but is marked as {marked}"))),
        (DataType::Float32, None) => VectorType::Float32,
        (DataType::Float16, None) => VectorType::Float16,
        (DataType::Int8, None) => VectorType::Int8,
        (DataType::Float64, None) => {
            notes.push(format!("the float64 values of `{name}` become float32"));
            VectorType::Float32
        }
        (DataType::UInt8, None) => {
            notes.push(format!("the bytes of `{name}` are packed bits: 8 dimensions a byte"));
            VectorType::Binary
        }
        _ => return Err(wrong("whose elements are of no vector type")),
    };
    let list_len = match data_type {
        _ if vector_type == VectorType::Sparse => return Ok((vector_type, Some(0))),
        DataType::FixedSizeList(_, len) => {
            Some(usize::try_from(*len).map_err(|_| wrong("which has a negative length"))?)
        }
        _ => None,
    };
    if list_len == Some(0) {
        return Err(wrong("so its vectors have no dimensions"));
    }
    Ok((vector_type, list_len))
}

fn id_type(field: &Field) -> Result<DataType> {
    let data_type = field.data_type();
    if data_type.is_integer() {
        return Ok(DataType::Int64);
    }
    if plain_type(data_type) == DataType::Utf8 {
        return Ok(DataType::Utf8);
    }
    Err(Error::source(format!(
        "Id column `{}` has the type {data_type}, ids are integers or strings",
        field.name()
    ))
    .help("say which column has the ids by `id: <column>`"))
}

/// A column that is neither the id nor the vector. Further vectors of a table that vecpipe wrote
/// stay vectors, unless the user chose one.
fn other_field(field: &Field, may_be_vector: bool) -> FieldRef {
    let keep = may_be_vector && Role::of(field) == Role::Vector;
    let roles = field.metadata().iter();
    let roles = roles.filter(|(key, _)| keep && [ROLE, VECTOR_TYPE].contains(&key.as_str()));
    let mut metadata = kept(field);
    metadata.extend(roles.map(|(key, value)| (key.clone(), value.clone())));
    let data_type = plain_type(field.data_type());
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(metadata))
}

/// The type under which a column travels: encodings of strings and bytes all become the plain one.
fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => plain_type(values),
        other => other.clone(),
    }
}
