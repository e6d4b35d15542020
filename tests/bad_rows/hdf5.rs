//! What HDF5 files can hold, and no table.

use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use crate::support::files;
use crate::work::{Folder, all_kinds};

/// The only file of rejects of a run that moves this file.
fn rejected(name: &str) -> RecordBatch {
    let folder = Folder::new();
    let path = all_kinds().join(name);
    let config = json!({
        "version": 1,
        "source": { "hdf5": { "paths": [path] } },
        "sink": { "parquet": { "dir": "out" } },
        "run": { "on_bad_row": "reject" }
    });
    folder.write("config.json", &config.to_string());
    let done = folder.run(&["config.json", "--verify", "content"]);
    assert_eq!(done.code, 4, "{}{}", done.stdout, done.stderr);
    assert_eq!(done.report["tables"][0]["rows_rejected"], 1);
    let file = files(&folder.path("rejects")).remove(0);
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    let rows = reader.build().unwrap().next().unwrap().unwrap();
    assert_eq!(rows.num_rows(), 1);
    rows
}

fn reason(rows: &RecordBatch) -> &str {
    rows.column_by_name("reject_reason").unwrap().as_string::<i32>().value(0)
}

#[test]
fn an_id_beyond_64_bits_with_a_sign_is_null_and_its_vector_is_there() {
    let rows = rejected("wrong-huge-id.h5");
    assert!(rows.column(0).as_primitive::<Int64Type>().is_null(0));
    assert!(rows.column(1).as_fixed_size_list().is_valid(0));
    let words = "its id is 9223372036854775808, ids go up to 9223372036854775807 (";
    assert!(reason(&rows).starts_with(words), "{}", reason(&rows));
    assert!(reason(&rows).ends_with("wrong-huge-id.h5, row 2)"), "{}", reason(&rows));
    let number = rows.column_by_name("reject_row").unwrap().as_primitive::<UInt64Type>();
    assert_eq!(number.value(0), 2);
}

#[test]
fn a_float64_beyond_float32_makes_its_vector_null_and_the_id_is_there() {
    let rows = rejected("wrong-overflow.h5");
    assert!(rows.column(0).as_primitive::<Int64Type>().is_valid(0));
    let vectors = rows.column(1).as_fixed_size_list();
    assert!(vectors.is_null(0) && vectors.values().as_primitive_opt::<Float32Type>().is_some());
    let words = "it holds -1e300 in dimension 3, which is too large for a float32";
    assert!(reason(&rows).starts_with(words), "{}", reason(&rows));
}
