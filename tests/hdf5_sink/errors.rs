//! What is said of tables that can't be written.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use serde_json::{Value, json};
use vecpipe::Error;
use vecpipe::flow::{OnBadRow, sort_out};
use vecpipe::sink::{SinkConfig, SinkContext, TableToWrite};
use vecpipe::table::{TableSchema, VectorType, id_field};

use crate::common::rows::in_flight;
use crate::support::{floats, rows_of, sink, splits, to_write, whole, write};

fn with(columns: Vec<(Field, ArrayRef)>) -> (TableSchema, RecordBatch) {
    let rows = columns[0].1.len();
    let (_, vectors) = floats(0, rows);
    let mut fields: Vec<_> = vectors.schema().fields().iter().cloned().collect();
    let mut arrays = vectors.columns().to_vec();
    for (field, array) in columns {
        fields.push(Arc::new(field));
        arrays.push(array);
    }
    let schema = TableSchema::new(Arc::new(Schema::new(fields))).unwrap();
    let rows = RecordBatch::try_new(schema.arrow().clone(), arrays).unwrap();
    (schema, rows)
}

fn said(error: &Error, dir: &Path) -> String {
    error.to_string().replace(dir.to_str().unwrap(), "DIR")
}

async fn refused(schema: &TableSchema) -> String {
    let dir = tempfile::tempdir().unwrap();
    let table = to_write(schema, "test", None);
    let error = sink(json!({ "dir": dir.path() })).plan(&table).await.unwrap_err();
    assert_eq!(error.exit_code(), 1);
    said(&error, dir.path())
}

#[tokio::test]
async fn types_and_names_that_hdf5_lacks_are_refused_in_the_plan() {
    let (bfloats, _) = rows_of(VectorType::BFloat16, 0, 1);
    insta::assert_snapshot!(refused(&bfloats).await, @"
    HDF5 has no type for bfloat16 vectors
      where: vector
      help: turn them into float32, which holds each value exactly: `- cast: { vector: float32 }`
    ");
    let (plain, _) = floats(0, 1);
    let fields = vec![id_field("key", DataType::Utf8), plain.vector().clone()];
    let strings = TableSchema::new(Arc::new(Schema::new(fields))).unwrap();
    insta::assert_snapshot!(refused(&strings).await, @"
    The ids are Utf8, HDF5 files for Milvus hold integers
      where: key
      help: write such a table with the sink `parquet`
    ");
    let numbers = || -> ArrayRef { Arc::new(Int32Array::from(vec![1])) };
    let dates = arrow::compute::cast(&numbers(), &DataType::Date32).unwrap();
    let (dates, _) = with(vec![(Field::new("day", DataType::Date32, true), dates)]);
    insta::assert_snapshot!(refused(&dates).await, @"
    A dataset can't hold values of the type Date32
      where: day
      help: leave the column out with the transform `select`, or use the sink `parquet`
    ");
    let (slash, _) = with(vec![(Field::new("a/b", DataType::Int32, true), numbers())]);
    insta::assert_snapshot!(refused(&slash).await, @"
    No dataset can be called `a/b`
      help: give the column another name with the transform `rename`
    ");
    let (twice, _) = with(vec![(Field::new("ids", DataType::Int32, true), numbers())]);
    insta::assert_snapshot!(refused(&twice).await, @"
    Two columns would become the dataset `ids`
      where: ids
      help: give one of them another name with the transform `rename`, or leave it out with `select`; the id becomes `ids`, the vector `embeddings`
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn int8_vectors_are_written_with_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, _) = rows_of(VectorType::Int8, 0, 1);
    let sink = sink(json!({ "dir": dir.path() }));
    let plan = sink.plan(&to_write(&schema, "test", None)).await.unwrap();
    assert_eq!(plan.notes, ["the source hdf5 does not read int8 vectors back, h5py does"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_hdf5_lacks_are_named() {
    let nulls: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(2), None]));
    let zeros: ArrayRef = Arc::new(StringArray::from(vec!["a", "b\0c", "d"]));
    let mut all = String::new();
    for column in [nulls, zeros] {
        let field = Field::new("extra", column.data_type().clone(), true);
        let (schema, rows) = with(vec![(field, column)]);
        let dir = tempfile::tempdir().unwrap();
        let table = TableToWrite { rows: 3, ..to_write(&schema, "test", None) };
        let sink = sink(json!({ "dir": dir.path() }));
        let plan = sink.plan(&table).await.unwrap();
        let error = sort_out(in_flight(&rows), &plan.rows, OnBadRow::Fail).unwrap_err();
        all.push_str(&format!("{}\n", said(&error, dir.path())));
    }
    insta::assert_snapshot!(all, @r#"
    Row with id 2: extra is null, and the target takes no nulls
      where: table t, split 0, row 2
      help: correct or remove the row in the source, or put such rows aside with `on_bad_row: reject` below `run`
    Row with id 1: extra has a zero byte, at which it would end: "b\0c"
      where: table t, split 0, row 1
      help: correct or remove the row in the source, or put such rows aside with `on_bad_row: reject` below `run`
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_planned_are_a_defect_and_overwrite_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, rows) = floats(0, 10);
    let table = TableToWrite { rows: 10, ..to_write(&schema, "test", None) };
    let sink = sink(json!({ "dir": dir.path() }));
    let plan = sink.plan(&table).await.unwrap();
    let writer =
        sink.prepare(&table, &plan, &vecpipe::sink::Start::Fresh, Arc::default()).await.unwrap();
    let mut split = splits(&whole(&[rows.slice(0, 4)])).remove(0);
    let mut first = writer.open_split(&split).await.unwrap();
    let error = first.write(in_flight(&rows)).await.unwrap_err().to_string();
    assert!(error.starts_with("A split of 4 rows was given 10"), "{error}");
    split.first_row = 8;
    let mut beyond = writer.open_split(&split).await.unwrap();
    let error = beyond.write(in_flight(&rows.slice(0, 4))).await.unwrap_err().to_string();
    assert!(error.starts_with("Rows up to 12 came, the table was planned with 10"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_appended_only_to_what_is_alike() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, rows) = floats(0, 20);
    write(&*sink(json!({ "dir": dir.path() })), &to_write(&schema, "test", None), &whole(&[rows]))
        .await;
    let append = sink(json!({ "dir": dir.path(), "mode": "append" }));
    let (bytes, _) = rows_of(VectorType::Binary, 0, 1);
    let ages: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let (more, _) = with(vec![(Field::new("age", DataType::Int32, true), ages)]);
    let mut all = String::new();
    for other in [bytes, more] {
        let error = append.plan(&to_write(&other, "test", None)).await.unwrap_err();
        all.push_str(&format!("{}\n", said(&error, dir.path())));
    }
    fs::write(dir.path().join("test/_default.h5"), "no HDF5").unwrap();
    let error = append.plan(&to_write(&schema, "test", None)).await.unwrap_err();
    all.push_str(&format!("{}\n", said(&error, dir.path())));
    fs::write(dir.path().join("test/_default.yaml"), "notes: mine\n").unwrap();
    let error = append.plan(&to_write(&schema, "test", None)).await.unwrap_err();
    all.push_str(&format!("{}\n", said(&error, dir.path())));
    insta::assert_snapshot!(all, @"
    The file has embeddings float32 [rows, 16]; the new rows have embeddings uint8 [rows, 2]
      where: DIR/test/_default.h5
      help: use `mode: overwrite`, or transforms (`rename`, `cast`, `select`) that make them alike
    The file has embeddings, ids; the new rows have age, embeddings, ids
      where: DIR/test/_default.h5
      help: use `mode: overwrite`, or transforms (`rename`, `cast`, `select`) that make them alike
    Cannot open the file: file signature not found
      where: DIR/test/_default.h5
      help: make it readable, or use `mode: overwrite`, which replaces it
    The file does not list the HDF5 files beside it as this sink does
      where: DIR/test/_default.yaml
      help: it is damaged, edited, or another program's; move it away
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unwritable_folder_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("out"), "a file").unwrap();
    let (schema, _) = floats(0, 1);
    let table = to_write(&schema, "test", None);
    let sink = sink(json!({ "dir": dir.path().join("out/below") }));
    let error = match sink.plan(&table).await {
        Ok(plan) => sink
            .prepare(&table, &plan, &vecpipe::sink::Start::Fresh, Arc::default())
            .await
            .err()
            .unwrap(),
        Err(error) => error,
    };
    assert!(error.to_string().contains("Not a directory"), "{error}");
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn wrong_settings_are_refused() {
    let cx = SinkContext { source_kind: "test", parallelism: 1, dry_run: false };
    let refused = |settings: Value| {
        let config: SinkConfig = serde_json::from_value(json!({ "hdf5": settings })).unwrap();
        config.into_factory().build(&cx).err().unwrap().to_string()
    };
    let all = [
        json!({ "dir": "" }),
        json!({ "dir": "out", "gzip": 10 }),
        json!({ "dir": "out", "max_rows_per_file": 0 }),
    ]
    .map(refused)
    .join("\n");
    insta::assert_snapshot!(all, @"
    The HDF5 sink's `dir` is empty
      help: name the folder that the files go to
    sink.hdf5.gzip is 10
      help: levels go from 0, fast, to 9, small
    sink.hdf5.max_rows_per_file is 0
      help: leave it out to write one file for each table
    ");
}
