//! Files to read, sinks to write to.

use std::sync::Arc;

use arrow_array::RecordBatch;
use serde_json::Value;
use vecpipe::flow::ReadContext;
use vecpipe::sink::{Completion, Sink, TableToWrite, TargetPlan};
use vecpipe::source::{Source, SourceTable};
use vecpipe::table::{Metric, Part, Split, TableSchema};

use crate::common::components;
use crate::common::read::{Way, read_table};
use crate::common::rows::in_flight;

/// The Parquet source with `settings`.
pub fn source(settings: Value) -> Box<dyn Source> {
    components::source("parquet", settings)
}

/// What its `tables` says when it fails.
pub async fn tables_error(settings: Value) -> String {
    source(settings).tables().await.unwrap_err().to_string()
}

/// All rows of a table, or the first error.
pub async fn read(source: &dyn Source, table: &SourceTable) -> Result<RecordBatch, vecpipe::Error> {
    read_table(source, table, 2, &context()).await
}

pub fn context() -> ReadContext {
    Way { batch_rows: 100, ..Way::PLAIN }.context()
}

/// The only table and all its rows.
pub async fn read_only_table(settings: Value) -> (SourceTable, RecordBatch) {
    let source = source(settings);
    let mut tables = source.tables().await.unwrap();
    assert_eq!(tables.len(), 1);
    let table = tables.remove(0);
    let rows = read(&*source, &table).await.unwrap();
    assert_eq!(rows.num_rows() as u64, table.rows);
    (table, rows)
}

/// The Parquet sink with `settings`.
pub fn sink(settings: Value) -> Box<dyn Sink> {
    components::sink("parquet", settings)
}

/// A table to be written.
pub fn to_write(schema: &TableSchema, collection: &str, partition: Option<&str>) -> TableToWrite {
    TableToWrite {
        database: None,
        name: format!("{collection} of {partition:?}"),
        collection: collection.to_owned(),
        part: partition.map_or(Part::Whole, |name| Part::Named(name.to_owned())),
        schema: schema.clone(),
        metric: Some(if schema.column().vector_type == vecpipe::table::VectorType::Binary {
            Metric::Hamming
        } else {
            Metric::IP
        }),
        rows: 0,
    }
}

pub fn split(index: u32) -> Split {
    Split { index, first_row: 0, rows: 0, bytes: 0, location: Value::Null }
}

/// Writes each of `splits`, a list of batches, and completes the table.
pub async fn write(
    sink: &dyn Sink,
    table: &TableToWrite,
    splits: &[&[RecordBatch]],
) -> (TargetPlan, Completion) {
    let plan = sink.plan(table).await.unwrap();
    let writer =
        sink.prepare(table, &plan, &vecpipe::sink::Start::Fresh, Arc::default()).await.unwrap();
    // In reverse, because splits end in any order.
    for (index, batches) in splits.iter().enumerate().rev() {
        let mut split_writer = writer.open_split(&split(index as u32)).await.unwrap();
        for rows in *batches {
            split_writer.write(in_flight(rows)).await.unwrap();
        }
        split_writer.finish().await.unwrap();
    }
    (plan, writer.complete().await.unwrap())
}
