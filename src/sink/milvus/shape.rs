//! Columns to fields: of a collection that is made, or of one that is there.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use arrow::datatypes::Field;

use super::config::Config;
use super::origin::{Origin, adapted};
use crate::error::{Error, Result};
use crate::milvus::v2::ServerVersion;
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::field::{
    DYNAMIC, MAX_DIM, dim_of, dynamic_field, field_schema, fields_words, is_vector, milvus_type,
    parameter, type_words,
};
use crate::milvus::v2::insert::InsertColumn;
use crate::milvus::v2::proto::schema::{DataType, FieldSchema};
use crate::sink::TableToWrite;
use crate::sink::server::check_name;
use crate::table::Role;

/// Most fields of a collection.
const MAX_FIELDS: usize = 64;

/// How a table's columns fit a collection.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// The fields of the table's columns, in the order of these.
    pub fields: Vec<FieldSchema>,
    /// Those that are sent: all, but for ids that the server makes.
    pub columns: Vec<InsertColumn>,
    /// Name of the primary key.
    pub key: String,
    /// Name of the (first) vector field.
    pub vector: String,
    /// Columns that go to a field of another name.
    pub notes: Vec<String>,
}

/// A name that two fields have.
fn twice(fields: &[FieldSchema]) -> Option<&str> {
    let mut names = BTreeSet::new();
    fields.iter().map(|field| field.name.as_str()).find(|name| !names.insert(*name))
}

impl Shape {
    /// The fields of a collection that is made for the table.
    pub(super) fn of_new(
        config: &Config,
        table: &TableToWrite,
        origin: &Origin,
        version: &ServerVersion,
    ) -> Result<Shape> {
        let mut fields = Vec::new();
        for (index, column) in table.schema.arrow().fields().iter().enumerate() {
            let name = wanted_name(config, table, index);
            let data_type = sendable_type(column, version)?;
            check_dim(column, data_type, version)?;
            // Under another name, what rows had beyond their schema is a field of JSON like others.
            let known = origin.field(column).filter(|field| !field.is_dynamic || name == DYNAMIC);
            if known.as_ref().is_some_and(|field| field.is_dynamic) {
                fields.extend(known);
                continue;
            }
            check_name("field", name, "sink.milvus.schema (id, vector), or the transform rename")?;
            let field = match known {
                Some(field) => adapted(field, name, version),
                None => {
                    let schema = field_schema(column, version.takes_nulls())
                        .ok_or_else(|| no_such_type(column, version))?;
                    FieldSchema { name: name.to_owned(), ..schema }
                }
            };
            let makes_ids = index == table.schema.id_index() && !config.keep_ids;
            fields.push(if makes_ids { made_by_server(field, version) } else { field });
        }
        if let Some(name) = twice(&fields) {
            return Err(Error::config(format!("Two columns would be the field {name}"))
                .help("give them other names with sink.milvus.schema (id, vector), mapping, or the transform rename"));
        }
        if fields.len() > MAX_FIELDS {
            return Err(Error::config(format!(
                "The table has {} columns, a Milvus collection takes {MAX_FIELDS}",
                fields.len()
            )));
        }
        let vectors = fields.iter().filter(|field| is_vector(field.data_type())).count();
        if vectors > 1 && !version.is_lite() && !version.at_least(2, 4, 0) {
            return Err(Error::config(format!(
                "The table has {vectors} vector columns, {version} takes one"
            )));
        }
        Ok(Shape::pair(config, table, fields, Vec::new()))
    }

    /// How the table fits a collection that is there.
    pub(super) fn of_existing(
        config: &Config,
        table: &TableToWrite,
        collection: &Collection,
        version: &ServerVersion,
    ) -> Result<Shape> {
        let mut fields = Vec::new();
        let mut notes = Vec::new();
        let mut misfits = Vec::new();
        for (index, column) in table.schema.arrow().fields().iter().enumerate() {
            let field = match field_for(config, table, index, collection) {
                Ok(field) => field,
                Err(misfit) => {
                    misfits.push(misfit);
                    continue;
                }
            };
            let ids = match index == table.schema.id_index() {
                true => misfit_of_ids(config, field, collection, version),
                false => None,
            };
            let sent = config.keep_ids || index != table.schema.id_index();
            misfits.extend(match ids {
                None if sent => misfit(column, field, version)?,
                ids => ids,
            });
            if sent && field.name != *column.name() {
                notes.push(format!("column {} goes to field {}", column.name(), field.name));
            }
            fields.push(field.clone());
        }
        if let Some(name) = twice(&fields) {
            misfits.push(format!("two columns would go to its field {name}"));
        }
        // A field left out would be filled with something, or crash a 2.3.5.
        let missing: Vec<_> = collection
            .fields
            .iter()
            .filter(|field| !field.is_function_output)
            .filter(|field| !fields.iter().any(|sent| sent.name == field.name))
            .map(|field| format!("{} {}", field.name, type_words(field)))
            .collect();
        if !missing.is_empty() {
            misfits.push(format!("it has fields that the table lacks: {}", missing.join(", ")));
        }
        if !misfits.is_empty() {
            return Err(Error::config(format!(
                "Collection {} does not fit the table: {}",
                collection.name,
                misfits.join("; ")
            ))
            .help(format!(
                "it has: {}. Name fields with sink.milvus.schema (id, vector) or the transform rename, leave columns out with select, write to another collection, or overwrite this one",
                fields_words(&collection.fields)
            )));
        }
        Ok(Shape::pair(config, table, fields, notes))
    }

    /// `fields` are in the order of the table's columns.
    fn pair(
        config: &Config,
        table: &TableToWrite,
        fields: Vec<FieldSchema>,
        notes: Vec<String>,
    ) -> Shape {
        let is_sent = |index: usize| config.keep_ids || index != table.schema.id_index();
        let name = |index: usize| fields.get(index).map(|f| f.name.clone()).unwrap_or_default();
        let columns = fields
            .iter()
            .enumerate()
            .filter(|(index, _)| is_sent(*index))
            .map(|(index, field)| InsertColumn {
                index,
                name: field.name.clone(),
                data_type: field.data_type(),
                element_type: field.element_type(),
                dynamic: field.is_dynamic,
                flags: field.nullable || field.default_value.is_some(),
                dim: dim_of(table.schema.arrow().field(index), field.data_type()),
            })
            .collect();
        let (key, vector) = (name(table.schema.id_index()), name(table.schema.vector_index()));
        Shape { columns, key, vector, fields, notes }
    }
}

/// The field name that the user, or the source, wants for a column.
fn wanted_name<'a>(config: &'a Config, table: &'a TableToWrite, index: usize) -> &'a str {
    let column = table.schema.arrow().field(index).name();
    let given = if config.mapping.of(table).is_some_and(|mapping| mapping.names(column)) {
        None
    } else if index == table.schema.id_index() {
        config.schema.id.as_deref()
    } else if index == table.schema.vector_index() {
        config.schema.vector.as_deref()
    } else {
        None
    };
    given.unwrap_or(column)
}

/// The collection's field for a column: by name, or where there is only one that can be meant; or
/// that there is none.
fn field_for<'a>(
    config: &Config,
    table: &TableToWrite,
    index: usize,
    collection: &'a Collection,
) -> Result<&'a FieldSchema, String> {
    let wanted = wanted_name(config, table, index);
    if wanted == DYNAMIC && collection.dynamic {
        return Ok(&DYNAMIC_FIELD);
    }
    let is_id = index == table.schema.id_index();
    let is_first_vector = index == table.schema.vector_index();
    let named = collection.fields.iter().find(|field| field.name == wanted);
    if let Some(field) = named
        && field.is_primary_key == is_id
    {
        return Ok(field);
    }
    let given = (is_id && config.schema.id.is_some())
        || (is_first_vector && config.schema.vector.is_some());
    if is_id
        && !given
        && let Some(key) = collection.primary_key()
    {
        return Ok(key);
    }
    if is_first_vector && !given && named.is_none() {
        let mut vectors = collection.fields.iter().filter(|f| is_vector(f.data_type()));
        if let (Some(only), None) = (vectors.next(), vectors.next()) {
            return Ok(only);
        }
    }
    let what = if is_id { "primary key" } else { "field" };
    Err(format!("it has no {what} `{wanted}`"))
}

/// A primary key whose values the server makes.
fn made_by_server(field: FieldSchema, version: &ServerVersion) -> FieldSchema {
    // Milvus Lite makes no others.
    let numbers = FieldSchema {
        data_type: DataType::Int64.into(),
        type_params: Vec::new(),
        auto_id: true,
        ..field.clone()
    };
    if version.is_lite() { numbers } else { FieldSchema { auto_id: true, ..field } }
}

/// What keeps a collection's primary key from taking ids, or from making them, whichever is asked
/// for.
fn misfit_of_ids(
    config: &Config,
    key: &FieldSchema,
    collection: &Collection,
    version: &ServerVersion,
) -> Option<String> {
    // Milvus 2.6 brought it; Milvus Lite has it as a note without meaning.
    let takes_ids =
        version.at_least(2, 6, 0) && collection.property("allow_insert_auto_id") == Some("true");
    match (config.keep_ids, key.auto_id) {
        (true, true) if !takes_ids => Some(format!(
            "it makes its ids itself ({} is auto_id), so the source's ids can't be kept: set sink.milvus.keep_ids: false for new ids, or overwrite it (mode: overwrite) to make it anew with the source's",
            key.name
        )),
        (false, false) => Some(format!(
            "it does not make its ids itself ({} is not auto_id), as sink.milvus.keep_ids: false wants it",
            key.name
        )),
        _ => None,
    }
}

/// How a column differs from its field.
fn misfit(column: &Field, field: &FieldSchema, version: &ServerVersion) -> Result<Option<String>> {
    let data_type = sendable_type(column, version)?;
    let target = field.data_type();
    // Text is what JSON is written as.
    let fits = data_type == target
        || (data_type == DataType::VarChar && target == DataType::Json)
        || (data_type == DataType::Json && target == DataType::VarChar);
    let dim = parameter(field, "dim");
    let any_dim = !is_vector(target) || target == DataType::SparseFloatVector;
    let fits = fits && (target != DataType::Array || element_of(column) == field.element_type());
    if fits && (any_dim || dim == Some(dim_of(column, data_type))) {
        return Ok(None);
    }
    let ours = field_schema(column, false).map(|ours| type_words(&ours)).unwrap_or_default();
    Ok(Some(format!(
        "column {} is {ours}, field {} is {}",
        column.name(),
        field.name,
        type_words(field)
    )))
}

/// The Milvus type of an array column's elements.
fn element_of(column: &Field) -> DataType {
    let schema = field_schema(column, false);
    schema.map_or(DataType::None, |schema| schema.element_type())
}

/// Fields are lent by the collection that has them, and no collection has this one.
static DYNAMIC_FIELD: LazyLock<FieldSchema> = LazyLock::new(dynamic_field);

/// The Milvus type of a column, if this server takes it.
fn sendable_type(column: &Field, version: &ServerVersion) -> Result<DataType> {
    milvus_type(column)
        .filter(|data_type| version.takes(*data_type))
        .ok_or_else(|| no_such_type(column, version))
}

fn no_such_type(column: &Field, version: &ServerVersion) -> Error {
    let what = match milvus_type(column) {
        Some(data_type) => data_type.as_str_name().to_owned(),
        None => format!("{} columns", column.data_type()),
    };
    let error = Error::config(format!("{version} does not take {what} (column {})", column.name()));
    match Role::of(column) {
        Role::Vector => error.help("use a server that does, or another vector type in the source"),
        _ => error.help("cast the column, or leave it out"),
    }
}

fn check_dim(column: &Field, data_type: DataType, version: &ServerVersion) -> Result<()> {
    if !is_vector(data_type) || data_type == DataType::SparseFloatVector {
        return Ok(());
    }
    let dim = dim_of(column, data_type);
    let least = if version.at_least(2, 4, 0) { 2 } else { 1 };
    let least = if data_type == DataType::BinaryVector { 8 } else { least };
    if (least..=MAX_DIM).contains(&dim) {
        return Ok(());
    }
    Err(Error::config(format!(
        "Column {} has {dim} dimensions, {version} takes {least} to {MAX_DIM}",
        column.name()
    )))
}
