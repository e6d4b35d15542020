//! The same files, judged by pyarrow.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::Float32Type;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Float32Array, Int64Array, RecordBatch};
use serde_json::json;
use vecpipe::table::{TableSchema, VectorColumn, VectorType};

use crate::common::python::python;
use crate::common::rows::vectors;
use crate::support::{read, sink, source, to_write, write};

/// Runs a script on a folder and gives what it printed.
fn run(script: &str, dir: &Path) -> String {
    python([OsStr::new("-c"), script.as_ref(), dir.as_ref()])
}

#[tokio::test(flavor = "multi_thread")]
async fn pyarrow_reads_what_the_sink_writes() {
    let dir = tempfile::tempdir().unwrap();
    let schema = TableSchema::of_vectors(
        "id",
        "vector",
        VectorColumn { vector_type: VectorType::Float32, dim: 5 },
    );
    let values = Float32Array::from_iter_values((0..500).map(|n| n as f32 / 7.0));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from_iter_values(0..100)), vectors(5, Arc::new(values))];
    let rows = RecordBatch::try_new(schema.arrow().clone(), columns).unwrap();
    for compression in ["zstd", "snappy", "none"] {
        let sink = sink(json!({ "dir": dir.path(), "compression": compression }));
        let batches = [rows.slice(0, 60), rows.slice(60, 40)];
        write(&*sink, &to_write(&schema, "test", None), &[&batches]).await;
        let said = run(
            r#"
import sys, glob, numpy as np, pyarrow as pa, pyarrow.parquet as pq
path, = glob.glob(sys.argv[1] + "/test/_default/*.parquet")
file = pq.ParquetFile(path)
table = file.read()
assert pa.types.is_fixed_size_list(table.schema.field("vector").type), table.schema
assert table.schema.field("vector").metadata[b"vecpipe.role"] == b"vector"
assert table.column("id").to_pylist() == list(range(100))
values = np.array(table.column("vector").to_pylist(), dtype=np.float32)
assert (values.ravel() == np.arange(500, dtype=np.float32) / np.float32(7)).all()
print(file.num_row_groups, file.metadata.metadata[b"vecpipe.metric"].decode(),
      table.schema.field("vector").type)
"#,
            dir.path(),
        );
        assert_eq!(said.trim(), "2 IP fixed_size_list<item: float not null>[5]");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pyarrow_writes_is_read_the_same_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    run(
        r#"
import sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq
out = sys.argv[1]
rows, dim = 1000, 6
flat = (np.arange(rows * dim, dtype=np.float32) % 997) / np.float32(8)
offsets = np.arange(0, rows * dim + 1, dim)
ids = pa.array(np.arange(rows, dtype=np.int32) * 3)
words = [None if n % 4 == 0 else "w%d" % n for n in range(rows)]
vectors = {
    "fixed": pa.FixedSizeListArray.from_arrays(pa.array(flat), dim),
    "list": pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(flat)),
    "large": pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(flat)),
    "double": pa.FixedSizeListArray.from_arrays(pa.array(flat.astype(np.float64)), dim),
}
texts = {"string": pa.string(), "large_string": pa.large_string(), "string_view": pa.string_view()}
for kind, emb in vectors.items():
    for text, type in texts.items():
        for codec in ["snappy", "zstd", "gzip", "brotli", "lz4", "none"]:
            table = pa.table({"id": ids, "text": pa.array(words, type), "emb": emb})
            options = dict(compression=codec, row_group_size=300)
            if codec == "zstd":
                options.update(data_page_version="2.0", write_page_index=True)
            if codec == "gzip":
                options.update(store_schema=False)
            if codec == "none":
                options.update(use_dictionary=False, column_encoding={
                    "id": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY",
                    "emb.list.element": "BYTE_STREAM_SPLIT"})
            pq.write_table(table, f"{out}/{kind}-{text}-{codec}.parquet", **options)
half = pa.FixedSizeListArray.from_arrays(pa.array(flat[:12].astype(np.float16)), dim)
import os
os.mkdir(out + "/half")
pq.write_table(pa.table({"emb": half}), out + "/half/half.parquet")
"#,
        dir.path(),
    );
    let mut files = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        files += 1;
        let source = source(json!({ "paths": [path] }));
        let table = source.tables().await.unwrap().remove(0);
        assert_eq!((table.rows, table.schema.column().dim), (1000, 6), "{path:?}");
        let rows = read(&*source, &table).await.unwrap();
        let values = rows["emb"].as_fixed_size_list().values().as_primitive::<Float32Type>();
        let expected = (0..6000).map(|n| (n % 997) as f32 / 8.0);
        assert!(values.values().iter().copied().eq(expected), "{path:?}");
        let ids = rows["id"].as_primitive::<arrow::datatypes::Int64Type>();
        assert!(ids.values().iter().copied().eq((0..1000).map(|n| n * 3)), "{path:?}");
        let texts = rows["text"].as_string::<i32>().iter();
        let expected = (0..1000).map(|n| (n % 4 > 0).then(|| format!("w{n}")));
        assert!(texts.eq(expected.collect::<Vec<_>>().iter().map(Option::as_deref)), "{path:?}");
    }
    assert_eq!(files, 72);
    let half = source(json!({ "paths": [dir.path().join("half")] }));
    let table = half.tables().await.unwrap().remove(0);
    assert_eq!(table.schema.column().to_string(), "float16 × 6");
    assert_eq!(read(&*half, &table).await.unwrap().num_rows(), 2);
}
