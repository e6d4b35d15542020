//! Rows to write, sinks to write them with, and the rows that are read back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::Field;
use arrow_array::{
    ArrayRef, FixedSizeListArray, Float16Array, Float32Array, Int8Array, Int64Array, RecordBatch,
    UInt8Array, UInt16Array,
};
use serde_json::{Value, json};
use vecpipe::sink::{Completion, Sink, TableToWrite, TargetPlan};
use vecpipe::table::{self, Metric, Split, TableSchema, VectorColumn, VectorType};

use crate::common::components;
use crate::common::read::{Way, read_table};
use crate::common::rows::in_flight;
use crate::common::runs::without_run;

pub const DIM: usize = 16;

/// Rows with the ids from `first` on; the values follow from the ids.
pub fn rows_of(vector_type: VectorType, first: i64, rows: usize) -> (TableSchema, RecordBatch) {
    let schema = TableSchema::of_vectors("id", "vector", VectorColumn { vector_type, dim: DIM });
    let len = vector_type.list_len(DIM);
    let seeds = (first as usize * len..(first as usize + rows) * len).map(|n| n * 7 % 65_521);
    let values: ArrayRef = match vector_type {
        VectorType::Float32 => {
            Arc::new(Float32Array::from_iter_values(seeds.map(|n| n as f32 / 3.0 - 20.0)))
        }
        // Every pattern of bits but those of NaN, whose bits a conversion may change.
        VectorType::Float16 => Arc::new(Float16Array::from_iter_values(seeds.map(|n| {
            Some(half::f16::from_bits(n as u16)).filter(|v| !v.is_nan()).unwrap_or_default()
        }))),
        VectorType::BFloat16 => Arc::new(UInt16Array::from_iter_values(seeds.map(|n| n as u16))),
        VectorType::Int8 => Arc::new(Int8Array::from_iter_values(seeds.map(|n| n as u8 as i8))),
        VectorType::Binary => Arc::new(UInt8Array::from_iter_values(seeds.map(|n| n as u8))),
        VectorType::Sparse => unreachable!("HDF5 has no such vectors"),
    };
    let element = Arc::new(Field::new("item", vector_type.element(), false));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(first..first + rows as i64)),
        Arc::new(FixedSizeListArray::new(element, len as i32, values, None)),
    ];
    let rows = RecordBatch::try_new(schema.arrow().clone(), columns).unwrap();
    (schema, rows)
}

pub fn floats(first: i64, rows: usize) -> (TableSchema, RecordBatch) {
    rows_of(VectorType::Float32, first, rows)
}

/// The sink with these settings.
pub fn sink(settings: Value) -> Box<dyn Sink> {
    components::sink("hdf5", settings)
}

pub fn to_write(schema: &TableSchema, collection: &str, partition: Option<&str>) -> TableToWrite {
    let binary = schema.column().vector_type == VectorType::Binary;
    TableToWrite {
        database: None,
        name: format!("{collection} of {partition:?}"),
        collection: collection.to_owned(),
        part: partition.map_or(table::Part::Whole, |name| table::Part::Named(name.to_owned())),
        schema: schema.clone(),
        metric: Some(if binary { Metric::Jaccard } else { Metric::IP }),
        rows: 0,
    }
}

/// A split as it was planned, and the batches of it that are written.
#[derive(Clone)]
pub struct Part {
    pub planned: u64,
    pub batches: Vec<RecordBatch>,
}

/// Splits of which all rows come.
pub fn whole(batches: &[RecordBatch]) -> Vec<Part> {
    let part =
        |rows: &RecordBatch| Part { planned: rows.num_rows() as u64, batches: vec![rows.clone()] };
    batches.iter().map(part).collect()
}

pub fn splits(parts: &[Part]) -> Vec<Split> {
    let mut first_row = 0;
    let split = |(index, part): (usize, &Part)| {
        let split = Split {
            index: index as u32,
            first_row,
            rows: part.planned,
            bytes: 0,
            location: Value::Null,
        };
        first_row += part.planned;
        split
    };
    parts.iter().enumerate().map(split).collect()
}

/// Writes the splits and completes the table.
pub async fn write(
    sink: &dyn Sink,
    table: &TableToWrite,
    parts: &[Part],
) -> (TargetPlan, Completion) {
    let rows = parts.iter().map(|part| part.planned).sum();
    let table = TableToWrite { rows, ..table.clone() };
    let plan = sink.plan(&table).await.unwrap();
    let writer =
        sink.prepare(&table, &plan, &vecpipe::sink::Start::Fresh, Arc::default()).await.unwrap();
    // In reverse, because splits end in any order.
    for (split, part) in splits(parts).iter().zip(parts).rev() {
        let mut split_writer = writer.open_split(split).await.unwrap();
        for rows in &part.batches {
            split_writer.write(in_flight(rows)).await.unwrap();
        }
        split_writer.finish().await.unwrap();
    }
    (plan, writer.complete().await.unwrap())
}

/// All rows of these files, as the source reads them.
pub async fn read(paths: &[PathBuf]) -> RecordBatch {
    let source = components::source("hdf5", json!({ "paths": paths, "dim": DIM }));
    let table = source.tables().await.unwrap().remove(0);
    let cx = Way { batch_rows: 100, ..Way::PLAIN }.context();
    read_table(&*source, &table, 2, &cx).await.unwrap()
}

/// Names in a folder, hidden ones too.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.iter().map(|name| without_run(name)).collect()
}
