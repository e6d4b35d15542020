//! Files to read, sinks to write to.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use arrow_array::{ArrayRef, RecordBatch};
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use vecpipe::flow::{Batch, BatchSize, MemoryBudget, Meter, Permit, ReadContext, ReaderThreads};
use vecpipe::sink::{Completion, Sink, SinkConfig, SinkContext, TableToWrite, TargetPlan};
use vecpipe::source::{Source, SourceConfig, SourceTable};
use vecpipe::table::{Metric, Place, Split, TableSchema};

/// Columns of the given names.
pub fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// Writes a file as another program would, in row groups of `group` rows.
pub fn write_file(path: &Path, rows: &RecordBatch, group: usize) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

/// The Parquet source with `settings`.
pub fn source(settings: Value) -> Box<dyn Source> {
    let config: SourceConfig = serde_json::from_value(json!({ "parquet": settings })).unwrap();
    config.into_factory().build().unwrap()
}

/// What its `tables` says when it fails.
pub async fn tables_error(settings: Value) -> String {
    source(settings).tables().await.unwrap_err().to_string()
}

pub fn context() -> ReadContext {
    ReadContext {
        budget: MemoryBudget::new(1 << 30),
        batch_size: BatchSize { rows: 100, bytes: 8 << 20 },
        threads: ReaderThreads::start(2).unwrap(),
        cancel: CancellationToken::new(),
        meter: Arc::new(Meter::default()),
    }
}

/// All rows of a table, or the first error.
pub async fn read(source: &dyn Source, table: &SourceTable) -> Result<RecordBatch, vecpipe::Error> {
    let cx = context();
    let mut rows = Vec::new();
    for split in &table.splits {
        let mut stream = source.open(table, split, 0, &cx)?;
        while let Some(batch) = stream.next().await {
            rows.push(batch?.rows);
        }
    }
    Ok(concat_batches(table.schema.arrow(), &rows).unwrap())
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
    let config: SinkConfig = serde_json::from_value(json!({ "parquet": settings })).unwrap();
    config
        .into_factory()
        .build(&SinkContext { source_kind: "parquet", parallelism: 2, dry_run: false })
        .unwrap()
}

/// A table to be written.
pub fn to_write(schema: &TableSchema, collection: &str, partition: Option<&str>) -> TableToWrite {
    TableToWrite {
        name: format!("{collection} of {partition:?}"),
        collection: collection.to_owned(),
        partition: partition.map(str::to_owned),
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

pub fn in_flight(rows: &RecordBatch) -> Batch {
    let place = Place { table: "t".into(), split: 0, first_row: 0 };
    Batch { rows: rows.clone(), place, permit: Permit::free() }
}

/// Writes each of `splits`, a list of batches, and completes the table.
pub async fn write(
    sink: &dyn Sink,
    table: &TableToWrite,
    splits: &[&[RecordBatch]],
) -> (TargetPlan, Completion) {
    let plan = sink.plan(table).await.unwrap();
    let writer = sink.prepare(table, &plan, Arc::default()).await.unwrap();
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
