//! What arrives, bit by bit, as our own source and h5py read it.

use std::path::Path;
use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int8Array, Int16Array, RecordBatch, StringArray,
};
use serde_json::{Value, json};
use vecpipe::table::{TableSchema, VectorType};

use crate::common::python::python;
use crate::support::{DIM, floats, read, rows_of, sink, to_write, whole, write};

/// What h5py finds in a file.
pub fn h5py(path: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/hdf5.py");
    serde_json::from_str(&python([script.as_os_str(), path.as_os_str()])).unwrap()
}

/// The bytes of a column's values, as hexadecimal digits.
fn hex(column: &ArrayRef) -> String {
    let values = column.as_fixed_size_list_opt().map_or(column, |list| list.values()).to_data();
    let width = values.data_type().primitive_width().unwrap();
    let bytes = &values.buffers()[0].as_slice()[values.offset() * width..][..values.len() * width];
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_vector_type_comes_back_bit_by_bit() {
    for (vector_type, numpy, width) in [
        (VectorType::Float32, "float32", DIM),
        (VectorType::Float16, "float16", DIM),
        (VectorType::Int8, "int8", DIM),
        (VectorType::Binary, "uint8", DIM / 8),
    ] {
        for gzip in [Value::Null, json!(0), json!(9)] {
            let dir = tempfile::tempdir().unwrap();
            let (schema, rows) = rows_of(vector_type, 5, 300);
            let table = to_write(&schema, "test", Some("p1"));
            let parts = whole(&[rows.slice(0, 110), rows.slice(110, 40), rows.slice(150, 150)]);
            write(&*sink(json!({ "dir": dir.path(), "gzip": gzip })), &table, &parts).await;

            let path = dir.path().join("test/p1.h5");
            let found = h5py(&path);
            assert_eq!(found.as_object().unwrap().len(), 2);
            let (ids, vectors) = (&found["ids"], &found["embeddings"]);
            assert_eq!((&ids["type"], &ids["shape"]), (&json!("int64"), &json!([300])));
            assert_eq!(
                (&vectors["type"], &vectors["shape"]),
                (&json!(numpy), &json!([300, width]))
            );
            assert_eq!(vectors["maxshape"], json!([null, width]));
            assert_eq!((&vectors["gzip"], &ids["gzip"]), (&gzip, &gzip));
            assert_eq!(ids["values"], hex(rows.column(0)));
            assert_eq!(vectors["values"], hex(rows.column(1)), "{vector_type}");

            if vector_type == VectorType::Int8 {
                continue;
            }
            let back = read(&[path]).await;
            assert_eq!(back.column(0), rows.column(0));
            // The source gives every float as float32, which holds each float16.
            let as_read = back.column(1).as_fixed_size_list().values();
            let written = rows.column(1).as_fixed_size_list().values();
            assert_eq!(as_read, &cast(written, as_read.data_type()).unwrap(), "{vector_type}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scalars_become_datasets_of_their_own_name() {
    let dir = tempfile::tempdir().unwrap();
    let (_, rows) = floats(0, 50);
    let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
    let mut columns = rows.columns().to_vec();
    let scalars: Vec<(&str, ArrayRef)> = vec![
        ("tiny", Arc::new(Int8Array::from_iter_values((0..50).map(|n| n - 25)))),
        ("small", Arc::new(Int16Array::from_iter_values((0..50).map(|n| n * -600)))),
        ("exact", Arc::new(Float64Array::from_iter_values((0..50).map(|n| f64::from(n) / 7.0)))),
    ];
    for (name, column) in &scalars {
        fields.push(Arc::new(Field::new(*name, column.data_type().clone(), true)));
        columns.push(Arc::clone(column));
    }
    fields.push(Arc::new(Field::new("größe", DataType::Utf8, true)));
    let texts = (0..50).map(|n| "ä".repeat(n % 7));
    columns.push(Arc::new(StringArray::from_iter_values(texts.clone())));
    fields.push(Arc::new(Field::new("even", DataType::Boolean, true)));
    columns.push(Arc::new((0..50).map(|n| Some(n % 2 == 0)).collect::<BooleanArray>()));
    let schema = TableSchema::new(Arc::new(Schema::new(fields))).unwrap();
    let rows = RecordBatch::try_new(schema.arrow().clone(), columns).unwrap();

    let table = to_write(&schema, "test", None);
    let settings = json!({ "dir": dir.path(), "mode": "append", "gzip": 1 });
    // The second run copies what the first one wrote; 30 rows come too few, so rows move.
    write(&*sink(settings.clone()), &table, &whole(&[rows.slice(0, 20)])).await;
    let mut parts = whole(&[rows.slice(20, 13), rows.slice(33, 17)]);
    parts[0].planned += 30;
    write(&*sink(settings), &table, &parts).await;

    let path = dir.path().join("test/_default.h5");
    let found = h5py(&path);
    assert_eq!(found["embeddings"]["values"], hex(rows.column(1)));
    for (name, column) in &scalars {
        assert_eq!(found[name]["values"], hex(column), "{name}");
    }
    assert_eq!(found["größe"]["values"], json!(texts.collect::<Vec<_>>()));
    assert_eq!(
        (&found["even"]["type"], &found["even"]["values"]),
        (&json!("bool"), &json!("0100".repeat(25)))
    );
    assert_eq!(read(&[path]).await.column(1), rows.column(1));
}
