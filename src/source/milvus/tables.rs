//! A partition as a table.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};

use super::catalog::Wanted;
use super::config::Config;
use super::ranges::divide;
use super::readiness::{Readied, Readiness};
use crate::error::{Error, Result};
use crate::milvus::DEFAULT_PARTITION;
use crate::milvus::v2::Client;
use crate::milvus::v2::collection::Collection;
use crate::milvus::v2::definition::{DEFINITION, Definition, FIELD};
use crate::milvus::v2::field::{DYNAMIC, arrow_field, dynamic_field, is_vector, type_words};
use crate::milvus::v2::freshness::Freshness;
use crate::milvus::v2::keys::KeyRange;
use crate::milvus::v2::page::{MAX_PAGE, Scan};
use crate::milvus::v2::proto::schema::FieldSchema;
use crate::source::SourceTable;
use crate::source::choice::Chosen;
use crate::source::cut::split_bytes;
use crate::table::{Metric, Part, Role, Split, TableSchema};
use crate::words::suggest;

/// Rows are counted rather than weighed by servers, so that narrow ones are divided, too: into
/// stretches of at most so many, or this many stretches where that would be too many.
const LARGE: u64 = 50_000;
const SPLITS: u64 = 256;

/// Where a split's rows lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Location {
    pub scan: Scan,
    pub range: KeyRange,
    /// The database, where it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The server's number for the collection.
    pub collection_id: i64,
    /// What was done to the collection so that it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readied: Option<Readied>,
}

/// A table's name.
pub(super) fn name_of(wanted: &Wanted, chosen: &Chosen) -> String {
    let collection = &wanted.collection.name;
    match wanted.partitions.get(chosen.partition).filter(|_| !wanted.has_partition_key()) {
        Some(partition) if partition != DEFAULT_PARTITION => format!("{collection}/{partition}"),
        _ => collection.clone(),
    }
}

/// The partition as it is now: counted and divided if it can be asked, estimated if not.
pub(super) async fn table(
    config: &Config,
    client: &Client,
    wanted: &Wanted,
    chosen: &Chosen,
    readiness: &Readiness,
) -> Result<SourceTable> {
    let collection = &wanted.collection;
    let whole = wanted.has_partition_key();
    if whole && !client.version().reads_partition_keys() {
        return Err(Error::source(format!(
            "{} answers no question about rows of a collection with a partition key, so it can't be read",
            client.version()
        ))
        .help("name the other collections by source.milvus.collections"));
    }
    let partitions = match whole {
        true => Vec::new(),
        false => vec![wanted.partitions[chosen.partition].clone()],
    };
    let scope = if whole { &wanted.partitions } else { &partitions };
    let loaded = client.is_loaded(&collection.name, scope).await?;
    let readied = readiness.of(&collection.name);
    let mut notes = Vec::new();
    let schema = schema(config, client, wanted, &mut notes)?;
    let row_bytes = schema.row_bytes() as u64;
    let mut scan = Scan {
        collection: collection.name.clone(),
        partitions,
        key: schema.id().name().clone(),
        texts: *schema.id().data_type() == DataType::Utf8,
        filter: config.filter.clone(),
        freshness: Freshness::Now,
    };
    let (rows, pieces) = if loaded {
        scan.freshness = client.freshness(&scan).await?;
        let rows = client.count_in(&scan, &KeyRange::default()).await?;
        let bytes = split_bytes(rows.saturating_mul(row_bytes));
        let most = (bytes / row_bytes.max(1)).clamp(MAX_PAGE as u64, (rows / SPLITS).max(LARGE));
        let most = config.split_rows.unwrap_or(most);
        let pieces = if rows == 0 { Vec::new() } else { divide(client, &scan, rows, most).await? };
        (rows, pieces)
    } else {
        let partition = scan.partitions.first().map(String::as_str);
        notes.push("it is not loaded: the run loads it, counts it then, and releases it afterwards; the number of rows is an estimate".to_owned());
        (client.row_count(&collection.name, partition).await?, Vec::new())
    };
    if readied.is_some() {
        notes.push(
            "it was not loaded: it is loaded while it is read, and released afterwards".to_owned(),
        );
    }
    if loaded && !scan.freshness.is_one_moment() {
        notes.push(
            "the server can't show one moment of it: writes to it must rest while it is read"
                .to_owned(),
        );
    }
    if let Some(filter) = &config.filter {
        notes.push(format!("only rows with {filter}"));
    }
    let mut first_row = 0;
    let splits = pieces.into_iter().enumerate().map(|(n, (range, rows))| {
        let location = Location {
            scan: scan.clone(),
            range,
            database: client.database().map(str::to_owned),
            collection_id: collection.id,
            readied: readied.clone().filter(|_| n == 0),
        };
        let index = u32::try_from(n).unwrap_or(u32::MAX);
        let location = Split::locate(&location);
        let split =
            Split { index, first_row, rows, bytes: rows.saturating_mul(row_bytes), location };
        first_row += rows;
        split
    });
    let splits = splits.collect();
    Ok(SourceTable {
        database: None,
        name: name_of(wanted, chosen),
        collection: chosen.collection.clone(),
        part: if whole { Part::Whole } else { chosen.part.clone() },
        renaming: Some(chosen.renaming.clone()),
        metric: metric(wanted, schema.vector().name()),
        schema,
        rows,
        bytes: rows.saturating_mul(row_bytes),
        splits,
        notes,
        warnings: Vec::new(),
    })
}

/// The metric of the index on a field.
fn metric(wanted: &Wanted, field: &str) -> Option<Metric> {
    let index = wanted.own_indexes().find(|index| index.field == field);
    index?.metric_type.parse().ok()
}

/// The columns that are read, and the collection's definition in the metadata.
fn schema(
    config: &Config,
    client: &Client,
    wanted: &Wanted,
    notes: &mut Vec<String>,
) -> Result<TableSchema> {
    let collection = &wanted.collection;
    let asked = asked_fields(config, collection)?;
    let mut fields = Vec::new();
    let mut unknown = Vec::new();
    let mut computed = Vec::new();
    for field in asked {
        if field.nullable && is_vector(field.data_type()) && client.version().is_lite() {
            notes.push(format!(
                "{} gives back zeros for vectors of {} that are null",
                client.version(),
                field.name
            ));
        }
        if field.is_function_output {
            computed.push(field.name.as_str());
        } else if let Some(arrow) = arrow_field(field) {
            fields.push(marked(arrow));
        } else {
            unknown.push(format!("{} {}", field.name, type_words(field)));
        }
    }
    let asked = |name: &&String| config.output_fields.as_ref().is_none_or(|f| f.contains(*name));
    let structs = collection.struct_fields.iter().filter(asked);
    unknown.extend(structs.map(|name| format!("{name} (list of structs)")));
    if !unknown.is_empty() {
        return Err(Error::source(format!(
            "Collection {} has fields of types that can't be moved: {}",
            collection.name,
            unknown.join(", ")
        ))
        .help("name the other fields by source.milvus.output_fields"));
    }
    if !computed.is_empty() {
        notes.push(format!("{} is computed by the server and not moved", computed.join(", ")));
    }
    let wants_dynamic =
        config.output_fields.as_ref().is_none_or(|f| f.iter().any(|f| f == DYNAMIC));
    if collection.dynamic && wants_dynamic {
        fields.extend(arrow_field(&dynamic_field()).map(marked));
    }
    if !fields.iter().any(|f| Role::of(f) == Role::Vector) {
        return Err(Error::source(format!(
            "Collection {} has no vectors that can be read, or none was asked for",
            collection.name
        ))
        .help("name a field with vectors by source.milvus.output_fields; those that the server computes can't be read"));
    }
    let definition = Definition {
        indexes: wanted.own_indexes().cloned().collect(),
        aliases: wanted.aliases.clone(),
        ..Definition::of(collection.clone())
    };
    let metadata = HashMap::from([(DEFINITION.to_owned(), definition.to_json())]);
    TableSchema::new(Arc::new(Schema::new_with_metadata(fields, metadata)))
}

/// The column of a field, which says so whatever it is called later.
fn marked(column: Field) -> Field {
    let mut metadata = column.metadata().clone();
    metadata.insert(FIELD.to_owned(), column.name().clone());
    column.with_metadata(metadata)
}

/// The fields that the configuration asks for, with the primary key.
fn asked_fields<'a>(config: &Config, collection: &'a Collection) -> Result<Vec<&'a FieldSchema>> {
    let Collection { fields, struct_fields, dynamic, .. } = collection;
    let Some(names) = &config.output_fields else { return Ok(fields.iter().collect()) };
    let structs = struct_fields.iter().map(String::as_str);
    let known: Vec<_> = fields.iter().map(|field| field.name.as_str()).chain(structs).collect();
    let missing =
        |name: &&String| !(known.contains(&name.as_str()) || *dynamic && *name == DYNAMIC);
    if let Some(name) = names.iter().find(missing) {
        let error = Error::config(format!("There is no field `{name}`"));
        let error = error.at("source.milvus.output_fields");
        return Err(match suggest(name, &known) {
            Some(help) => error.help(help),
            None => error,
        });
    }
    let asked = |field: &&FieldSchema| field.is_primary_key || names.contains(&field.name);
    Ok(fields.iter().filter(asked).collect())
}
