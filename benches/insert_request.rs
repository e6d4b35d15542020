//! Record batch to insert request: the hand-written frames against prost with typed fields.

use std::hint::black_box;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Float32Type, Int64Type, Schema};
use arrow_array::cast::AsArray;
use arrow_array::{Array, FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use vecpipe::milvus::v2::insert::{InsertColumn, InsertHead};
use vecpipe::milvus::v2::proto::schema::DataType as Milvus;

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

fn rows(count: i64, dim: i32) -> RecordBatch {
    let values = Float32Array::from_iter_values((0..count * i64::from(dim)).map(|n| n as f32));
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let vectors = FixedSizeListArray::new(item, dim, Arc::new(values), None);
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("v", vectors.data_type().clone(), false),
    ]);
    let ids = Int64Array::from_iter_values(0..count);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(ids), Arc::new(vectors)])
        .unwrap_or_else(|error| panic!("{error}"))
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
        ..field("v", Milvus::FloatVector)
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
        let rows = rows(count, dim);
        let dims = usize::try_from(dim).unwrap_or(0);
        let column = |index: usize, name: &str, data_type, dim| InsertColumn {
            index,
            name: name.to_owned(),
            data_type,
            element_type: Milvus::None,
            dynamic: false,
            flags: false,
            dim,
        };
        let head = InsertHead {
            database: String::new(),
            collection: "test".to_owned(),
            partition: String::new(),
            columns: vec![
                column(0, "id", Milvus::Int64, 0),
                column(1, "v", Milvus::FloatVector, dims),
            ],
        };
        let mut group = c.benchmark_group(format!("insert request, {dim} dimensions"));
        group.throughput(Throughput::Bytes((rows.num_rows() * (8 + dims * 4)) as u64));
        group.bench_function("frames", |b| b.iter(|| black_box(head.request(&rows))));
        group.bench_function("prost", |b| b.iter(|| black_box(typed(&rows, i64::from(dim)))));
        group.finish();
    }
}

criterion_group!(benches, insert_request);
criterion_main!(benches);
