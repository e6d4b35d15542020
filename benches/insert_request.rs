//! Record batch to insert request: the hand-written frames against prost with typed fields.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench ends by panicking")]

use std::hint::black_box;

use arrow::datatypes::{Float32Type, Int64Type};
use arrow_array::cast::AsArray;
use arrow_array::{Float32Array, Int64Array, RecordBatch};
use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use vecpipe::milvus::v2::proto::schema::DataType as Milvus;

#[path = "limits/rows.rs"]
mod rows;

/// The request as the server declares it, with typed values; only the fields that are filled.
#[derive(Clone, PartialEq, Message)]
struct TypedRequest {
    #[prost(string, tag = "3")]
    collection_name: String,
    #[prost(message, repeated, tag = "5")]
    fields_data: Vec<TypedField>,
    #[prost(uint32, tag = "7")]
    num_rows: u32,
}

#[derive(Clone, PartialEq, Message)]
struct TypedField {
    #[prost(int32, tag = "1")]
    data_type: i32,
    #[prost(string, tag = "2")]
    field_name: String,
    #[prost(message, optional, tag = "3")]
    scalars: Option<TypedScalars>,
    #[prost(message, optional, tag = "4")]
    vectors: Option<TypedVectors>,
}

#[derive(Clone, PartialEq, Message)]
struct TypedScalars {
    #[prost(message, optional, tag = "3")]
    long_data: Option<Longs>,
}

#[derive(Clone, PartialEq, Message)]
struct Longs {
    #[prost(int64, repeated, tag = "1")]
    data: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct TypedVectors {
    #[prost(int64, tag = "1")]
    dim: i64,
    #[prost(message, optional, tag = "2")]
    float_vector: Option<Floats>,
}

#[derive(Clone, PartialEq, Message)]
struct Floats {
    #[prost(float, repeated, tag = "1")]
    data: Vec<f32>,
}

fn typed(rows: &RecordBatch, dim: i64) -> BytesMut {
    let ids = rows.column(0).as_primitive::<Int64Type>().values().to_vec();
    let floats = rows.column(1).as_fixed_size_list().values();
    let floats = floats.as_primitive::<Float32Type>().values().to_vec();
    let field = |name: &str, data_type: Milvus| TypedField {
        data_type: data_type.into(),
        field_name: name.to_owned(),
        scalars: None,
        vectors: None,
    };
    let ids = TypedField {
        scalars: Some(TypedScalars { long_data: Some(Longs { data: ids }) }),
        ..field("id", Milvus::Int64)
    };
    let vectors = TypedField {
        vectors: Some(TypedVectors { dim, float_vector: Some(Floats { data: floats }) }),
        ..field("vector", Milvus::FloatVector)
    };
    let request = TypedRequest {
        collection_name: "test".to_owned(),
        fields_data: vec![ids, vectors],
        num_rows: u32::try_from(rows.num_rows()).unwrap_or(u32::MAX),
    };
    // What tonic encodes into.
    let mut out = BytesMut::with_capacity(request.encoded_len());
    request.encode(&mut out).unwrap_or_else(|error| panic!("{error}"));
    out
}

fn insert_request(c: &mut Criterion) {
    for (count, dim) in [(15_000, 128), (2_500, 768)] {
        let values = Float32Array::from_iter_values((0..count * dim).map(|n| n as f32));
        let ids = Int64Array::from_iter_values((0..count).map(|n| n as i64));
        let (rows, head) = (rows::batch(ids, values, dim), rows::head("test", dim));
        let mut group = c.benchmark_group(format!("insert request, {dim} dimensions"));
        group.throughput(Throughput::Bytes((count * (8 + dim * 4)) as u64));
        group.bench_function("frames", |b| b.iter(|| black_box(head.request(&rows))));
        group.bench_function("prost", |b| b.iter(|| black_box(typed(&rows, dim as i64))));
        group.finish();
    }
}

criterion_group!(benches, insert_request);
criterion_main!(benches);
