//! Rows are compared with the checksums that their writer noted.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Float32Array, RecordBatch};
use serde_json::{Value, json};
use vecpipe::table::{RowHasher, TableSchema, VectorType};

use crate::common::read::read_split;
use crate::common::rows::vectors;
use crate::sink::rows_of;
use crate::support::{context, read, sink, source, tables_error, to_write, write};

/// Three row groups of 40 rows in one part.
async fn written(dir: &Path) -> (TableSchema, Vec<RecordBatch>) {
    let (schema, _) = rows_of(VectorType::Float32, 0, 1);
    let batches: Vec<_> = (0..3).map(|n| rows_that_differ(&schema, n * 40)).collect();
    let sink = sink(json!({ "dir": dir, "compression": "none" }));
    write(&*sink, &to_write(&schema, "t", None), &[&batches]).await;
    (schema, batches)
}

/// 40 rows, no two of whose values are equal.
fn rows_that_differ(schema: &TableSchema, first: i64) -> RecordBatch {
    let rows = rows_of(VectorType::Float32, first, 40).1;
    let values = (first * 16..(first + 40) * 16).map(|n| n as f32);
    let mut columns = rows.columns().to_vec();
    columns[1] = vectors(16, Arc::new(Float32Array::from_iter_values(values)));
    RecordBatch::try_new(schema.arrow().clone(), columns).unwrap()
}

fn part(dir: &Path) -> std::path::PathBuf {
    crate::common::runs::part(&dir.join("t/_default"), 0)
}

/// Flips one bit of a vector of a batch where the file holds it.
fn damage(file: &Path, batch: &RecordBatch) {
    let mut bytes = fs::read(file).unwrap();
    let vectors = batch.column(1).as_fixed_size_list().value(17);
    let values = vectors.as_primitive::<Float32Type>().values().inner().as_slice();
    let places: Vec<_> =
        (0..bytes.len() - values.len()).filter(|at| bytes[*at..].starts_with(values)).collect();
    assert_eq!(places.len(), 1, "the vector stands in the file once");
    bytes[places[0] + 5] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_changed_bit_is_noticed_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (_, batches) = written(dir.path()).await;
    let source = source(json!({ "paths": [dir.path()] }));
    let table = source.tables().await.unwrap().remove(0);
    read(&*source, &table).await.unwrap();
    damage(&part(dir.path()), &batches[1]);
    // The file was changed before the plan: after it, that alone would be noticed.
    let table = source.tables().await.unwrap().remove(0);
    let error = read(&*source, &table).await.unwrap_err().to_string();
    assert!(error.contains("The rows of row group 1 are not those that were written"), "{error}");
    assert!(error.contains("part-00000-"), "{error}");
}

#[tokio::test]
async fn rows_before_the_first_wanted_one_are_compared_with_those_of_their_row_group() {
    let dir = tempfile::tempdir().unwrap();
    let (_, batches) = written(dir.path()).await;
    damage(&part(dir.path()), &batches[1]);
    let source = source(json!({ "paths": [dir.path()] }));
    let table = source.tables().await.unwrap().remove(0);
    let split = &table.splits[0];
    let from = |row| {
        let (source, table) = (&*source, &table);
        async move { read_split(source, table, split, row, &context()).await }
    };
    // The damaged row is row 57, the row group ends before row 80.
    assert!(from(79).await.unwrap_err().to_string().contains("row group 1"));
    let rest = from(80).await.unwrap();
    assert_eq!(rest.num_rows(), 40);
    assert_eq!(rest.column(0), batches[2].column(0));
}

#[tokio::test]
async fn a_manifest_and_its_file_have_the_checksum_of_the_rows() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, batches) = written(dir.path()).await;
    let path = dir.path().join("t/manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let hasher = RowHasher::new(&schema);
    let sum: vecpipe::table::Checksum = batches.iter().map(|rows| hasher.sum(rows).unwrap()).sum();
    let stated = &mut manifest["partitions"][0]["files"][0]["checksum"];
    assert_eq!(*stated, json!(sum.to_string()));
    *stated = json!("0123456789abcdef0123456789abcdef");
    fs::write(&path, manifest.to_string()).unwrap();
    let error = tables_error(json!({ "paths": [dir.path()] })).await;
    assert!(error.contains(&format!("have the checksum {sum}, its manifest says 0123")), "{error}");
}
