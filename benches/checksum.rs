//! How fast rows are hashed for the checksum: the bytes of ids and vectors a second, of one thread.
//!
//!     cargo bench --bench checksum

#![allow(missing_docs, clippy::expect_used, reason = "a bench ends by panicking")]

use std::hint::black_box;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch, StringArray,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vecpipe::table::{RowHasher, TableSchema, VectorColumn, VectorType, id_field, vector_field};

/// Bytes of a batch, about.
const BATCH: usize = 8 << 20;

fn batch(dim: usize, text: bool) -> RecordBatch {
    let rows = BATCH / (dim * 4 + 8);
    let column = VectorColumn { vector_type: VectorType::Float32, dim };
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Float32Array::from_iter_values((0..rows * dim).map(|n| n as f32 * 0.37));
    let len = i32::try_from(dim).expect("a small number");
    let mut fields = vec![id_field("id", DataType::Int64), vector_field("vector", column)];
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..i64::try_from(rows).expect("a small number"))),
        Arc::new(FixedSizeListArray::new(item, len, Arc::new(values), None)),
    ];
    if text {
        fields.push(Field::new("text", DataType::Utf8, true));
        let texts = (0..rows).map(|n| format!("the text of row {n}"));
        columns.push(Arc::new(StringArray::from_iter_values(texts)));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns fit")
}

fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    for (name, dim, text) in
        [("8", 8, false), ("128", 128, false), ("768", 768, false), ("128 and a text", 128, true)]
    {
        let rows = batch(dim, text);
        let hasher = RowHasher::new(&TableSchema::new(rows.schema()).expect("a table"));
        let bytes = rows.num_rows() * (dim * 4 + 8);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(hasher.hashes(black_box(&rows)).expect("hashes")));
        });
    }
    group.finish();
}

criterion_group!(benches, hash);
criterion_main!(benches);
