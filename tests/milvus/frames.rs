//! The hand-written request is what prost would read and write: any table, any slice.

use std::sync::Arc;

use arrow::buffer::OffsetBuffer;
use arrow::datatypes::*;
use arrow_array::*;
use half::f16;
use proptest::prelude::*;
use prost::Message;
use vecpipe::milvus::v2::insert::{InsertColumn, InsertHead};
use vecpipe::milvus::v2::proto::milvus::InsertRequest;
use vecpipe::milvus::v2::proto::schema::{
    DataType as Milvus, ScalarField, field_data::Field as Values, scalar_field::Data as Scalar,
    vector_field::Data as Vector,
};
use vecpipe::table::VectorType;

/// `FloatArray` as the server declares it, to show that packed floats and bytes are the same.
#[derive(Clone, PartialEq, Message)]
struct ServerFloats {
    #[prost(float, repeated, tag = "1")]
    data: Vec<f32>,
}

fn column(index: usize, data_type: Milvus, dim: usize) -> InsertColumn {
    let name = format!("f{index}");
    InsertColumn {
        index,
        name,
        data_type,
        dim,
        element_type: Milvus::None,
        dynamic: false,
        flags: false,
    }
}

/// Lists of elements of a type.
fn array(index: usize, element_type: Milvus) -> InsertColumn {
    InsertColumn { element_type, ..column(index, Milvus::Array, 0) }
}

fn list_array<T: Clone>(
    rows: &[Vec<T>],
    item: DataType,
    values: impl FnOnce(Vec<T>) -> ArrayRef,
) -> ArrayRef {
    let ends = OffsetBuffer::from_lengths(rows.iter().map(Vec::len));
    let item = Arc::new(Field::new("item", item, false));
    Arc::new(ListArray::new(item, ends, values(rows.concat()), None))
}

fn lists(item: DataType, len: i32, values: ArrayRef) -> ArrayRef {
    let item = Arc::new(Field::new("item", item, false));
    Arc::new(FixedSizeListArray::new(item, len, values, None))
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(n, column)| Field::new(format!("f{n}"), column.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn head(columns: Vec<InsertColumn>) -> InsertHead {
    InsertHead {
        database: "db".to_owned(),
        collection: "test".to_owned(),
        partition: String::new(),
        columns,
    }
}

/// The request, read back by prost from its parts laid end to end.
fn decode(head: &InsertHead, rows: &RecordBatch) -> InsertRequest {
    let frames = head.request(rows).unwrap();
    let bytes = frames.parts().concat();
    assert_eq!(bytes[0], 0);
    let len = u32::from_be_bytes(bytes[1..5].try_into().unwrap());
    assert_eq!(len as usize, bytes.len() - 5);
    assert_eq!(len as usize, frames.message_len());
    let request = InsertRequest::decode(&bytes[5..]).unwrap();
    // Nothing but what prost itself would write: same length, and no unknown fields.
    assert_eq!(request.encoded_len(), frames.message_len());
    request
}

fn scalar(request: &InsertRequest, field: usize) -> &Scalar {
    match &request.fields_data[field].field {
        Some(Values::Scalars(scalars)) => scalars.data.as_ref().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn vector_bytes(request: &InsertRequest, field: usize, dim: i64) -> Vec<u8> {
    let Some(Values::Vectors(vectors)) = &request.fields_data[field].field else { panic!() };
    assert_eq!(vectors.dim, dim);
    match vectors.data.as_ref().unwrap() {
        Vector::FloatVector(floats) => floats.data.to_vec(),
        Vector::BinaryVector(bytes)
        | Vector::Float16Vector(bytes)
        | Vector::Bfloat16Vector(bytes)
        | Vector::Int8Vector(bytes) => bytes.to_vec(),
        Vector::SparseFloatVector(_) => panic!(),
    }
}

proptest! {
    #[test]
    fn ids_and_float_vectors(
        dim in 1i32..40,
        rows in prop::collection::vec((any::<i64>(), any::<f32>()), 1..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
        let values: Vec<f32> =
            rows.iter().flat_map(|(_, v)| (0..dim).map(move |n| v + n as f32)).collect();
        let width = usize::try_from(dim).unwrap();
        let all = batch(vec![
            Arc::new(Int64Array::from(ids.clone())),
            lists(DataType::Float32, dim, Arc::new(Float32Array::from(values.clone()))),
        ]);
        let head = head(vec![column(0, Milvus::Int64, 0), column(1, Milvus::FloatVector, width)]);
        let first = cut.index(rows.len());
        for range in [0..rows.len(), first..rows.len(), 0..first.max(1)] {
            let request = decode(&head, &all.slice(range.start, range.len()));
            prop_assert_eq!(&request.collection_name, "test");
            prop_assert_eq!(&request.db_name, "db");
            prop_assert_eq!(request.num_rows as usize, range.len());
            prop_assert_eq!(&request.fields_data[1].field_name, "f1");
            prop_assert_eq!(request.fields_data[1].r#type(), Milvus::FloatVector);
            let Scalar::LongData(sent) = scalar(&request, 0) else { panic!() };
            prop_assert_eq!(&sent.data[..], &ids[range.clone()]);
            let bytes = vector_bytes(&request, 1, i64::from(dim));
            let typed = ServerFloats { data: values[range.start * width..range.end * width].to_vec() };
            let mut as_field = vec![10];
            prost::encode_length_delimiter(bytes.len(), &mut as_field).unwrap();
            as_field.extend(&bytes);
            prop_assert_eq!(typed.encode_to_vec(), as_field);
        }
    }

    #[test]
    fn vectors_of_bytes(
        rows in 1usize..40,
        skip in 0usize..40,
        seed in any::<u16>(),
    ) {
        let skip = skip.min(rows - 1);
        let bits = |n: usize| (n as u16).wrapping_mul(31).wrapping_add(seed);
        let halves: Vec<f16> = (0..rows * 4).map(|n| f16::from_bits(bits(n))).collect();
        let brains: Vec<u16> = (0..rows * 4).map(bits).collect();
        let bytes: Vec<i8> = (0..rows * 4).map(|n| bits(n) as i8).collect();
        let packed: Vec<u8> = (0..rows * 2).map(|n| bits(n) as u8).collect();
        let all = batch(vec![
            lists(DataType::Float16, 4, Arc::new(Float16Array::from(halves.clone()))),
            lists(DataType::UInt16, 4, Arc::new(UInt16Array::from(brains.clone()))),
            lists(DataType::Int8, 4, Arc::new(Int8Array::from(bytes.clone()))),
            lists(DataType::UInt8, 2, Arc::new(UInt8Array::from(packed.clone()))),
        ]);
        let head = head(vec![
            column(0, Milvus::Float16Vector, 4),
            column(1, Milvus::BFloat16Vector, 4),
            column(2, Milvus::Int8Vector, 4),
            column(3, Milvus::BinaryVector, 16),
        ]);
        let request = decode(&head, &all.slice(skip, rows - skip));
        let le = |bits: Vec<u16>| bits.into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let from = skip * 4;
        prop_assert_eq!(vector_bytes(&request, 0, 4), le(halves[from..].iter().map(|h| h.to_bits()).collect()));
        prop_assert_eq!(vector_bytes(&request, 1, 4), le(brains[from..].to_vec()));
        prop_assert_eq!(vector_bytes(&request, 2, 4), bytes[from..].iter().map(|b| *b as u8).collect::<Vec<_>>());
        prop_assert_eq!(vector_bytes(&request, 3, 16), packed[skip * 2..].to_vec());
    }

    #[test]
    fn lists_and_sparse_vectors(
        rows in prop::collection::vec(
            (prop::collection::vec(any::<i64>(), 0..4), prop::collection::vec(any::<f32>(), 0..4),
             prop::collection::vec(any::<String>(), 0..3), prop::collection::btree_map(any::<u32>(), any::<f32>(), 0..5)),
            1..30,
        ),
        cut in any::<prop::sample::Index>(),
    ) {
        let longs: Vec<_> = rows.iter().map(|r| r.0.clone()).collect();
        let floats: Vec<_> = rows.iter().map(|r| r.1.clone()).collect();
        let texts: Vec<_> = rows.iter().map(|r| r.2.clone()).collect();
        let pairs: Vec<Vec<(u32, f32)>> =
            rows.iter().map(|r| r.3.iter().map(|(k, v)| (*k, *v)).collect()).collect();
        let DataType::List(pair) = VectorType::Sparse.arrow(0) else { unreachable!() };
        let DataType::Struct(fields) = pair.data_type().clone() else { unreachable!() };
        let all = batch(vec![
            list_array(&longs, DataType::Int64, |v| Arc::new(Int64Array::from(v))),
            list_array(&floats, DataType::Float32, |v| Arc::new(Float32Array::from(v))),
            list_array(&texts, DataType::Utf8, |v| Arc::new(StringArray::from(v))),
            list_array(&pairs, pair.data_type().clone(), |v| {
                let numbers = UInt32Array::from_iter_values(v.iter().map(|p| p.0));
                let weights = Float32Array::from_iter_values(v.iter().map(|p| p.1));
                Arc::new(StructArray::new(fields, vec![Arc::new(numbers), Arc::new(weights)], None))
            }),
        ]);
        let head = head(vec![array(0, Milvus::Int64), array(1, Milvus::Float),
            array(2, Milvus::VarChar), column(3, Milvus::SparseFloatVector, 0)]);
        let first = cut.index(rows.len());
        let request = decode(&head, &all.slice(first, rows.len() - first));
        let Scalar::ArrayData(sent) = scalar(&request, 0) else { panic!() };
        prop_assert_eq!(sent.element_type(), Milvus::Int64);
        let data = |of: &ScalarField| match of.data.clone() {
            Some(Scalar::LongData(v)) => v.data,
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(sent.data.iter().map(data).collect::<Vec<_>>(), &longs[first..]);
        let Scalar::ArrayData(sent) = scalar(&request, 1) else { panic!() };
        for (sent, row) in sent.data.iter().zip(&floats[first..]) {
            let Some(Scalar::FloatData(sent)) = &sent.data else { panic!() };
            let bytes: Vec<u8> = row.iter().flat_map(|v| v.to_le_bytes()).collect();
            prop_assert_eq!(&sent.data[..], &bytes[..]);
        }
        let Scalar::ArrayData(sent) = scalar(&request, 2) else { panic!() };
        for (sent, row) in sent.data.iter().zip(&texts[first..]) {
            let Some(Scalar::StringData(sent)) = &sent.data else { panic!() };
            prop_assert_eq!(&sent.data, row);
        }
        let Some(Values::Vectors(vectors)) = &request.fields_data[3].field else { panic!() };
        let Some(Vector::SparseFloatVector(sent)) = &vectors.data else { panic!() };
        let bytes = |row: &Vec<(u32, f32)>| -> Vec<u8> {
            row.iter().flat_map(|(k, v)| [k.to_le_bytes(), v.to_le_bytes()].concat()).collect()
        };
        prop_assert_eq!(sent.contents.len(), rows.len() - first);
        for (sent, row) in sent.contents.iter().zip(&pairs[first..]) {
            prop_assert_eq!(&sent[..], &bytes(row)[..]);
        }
    }

    #[test]
    fn scalars_with_and_without_nulls(
        rows in prop::collection::vec(
            (any::<Option<bool>>(), any::<Option<i32>>(), any::<Option<i64>>(),
             any::<Option<f64>>(), any::<Option<String>>()),
            1..40,
        ),
        cut in any::<prop::sample::Index>(),
    ) {
        let all = batch(vec![
            Arc::new(BooleanArray::from_iter(rows.iter().map(|r| r.0))),
            Arc::new(Int8Array::from_iter(rows.iter().map(|r| r.1.map(|n| n as i8)))),
            Arc::new(Int16Array::from_iter(rows.iter().map(|r| r.1.map(|n| n as i16)))),
            Arc::new(Int32Array::from_iter(rows.iter().map(|r| r.1))),
            Arc::new(Int64Array::from_iter(rows.iter().map(|r| r.2))),
            Arc::new(Float32Array::from_iter(rows.iter().map(|r| r.3.map(|n| n as f32)))),
            Arc::new(Float64Array::from_iter(rows.iter().map(|r| r.3))),
            Arc::new(StringArray::from_iter(rows.iter().map(|r| r.4.clone()))),
            Arc::new(StringArray::from_iter(rows.iter().map(|r| r.4.clone()))),
        ]);
        let types = [Milvus::Bool, Milvus::Int8, Milvus::Int16, Milvus::Int32, Milvus::Int64,
            Milvus::Float, Milvus::Double, Milvus::VarChar, Milvus::Json];
        let columns = types.into_iter().enumerate().map(|(n, t)| column(n, t, 0)).collect();
        let first = cut.index(rows.len());
        let request = decode(&head(columns), &all.slice(first, rows.len() - first));
        let rows = &rows[first..];
        for (n, field) in request.fields_data.iter().enumerate() {
            let valid: Vec<bool> = (first..all.num_rows()).map(|row| all.column(n).is_valid(row)).collect();
            let expected = if valid.contains(&false) { valid } else { vec![] };
            prop_assert_eq!(&field.valid_data, &expected);
        }
        let Scalar::BoolData(sent) = scalar(&request, 0) else { panic!() };
        prop_assert_eq!(&sent.data, &rows.iter().filter_map(|r| r.0).collect::<Vec<_>>());
        for (field, cast) in [(1, (|n| i32::from(n as i8)) as fn(i32) -> i32), (2, |n| i32::from(n as i16)), (3, |n| n)] {
            let Scalar::IntData(sent) = scalar(&request, field) else { panic!() };
            prop_assert_eq!(&sent.data, &rows.iter().filter_map(|r| r.1.map(cast)).collect::<Vec<_>>());
        }
        let Scalar::LongData(sent) = scalar(&request, 4) else { panic!() };
        prop_assert_eq!(&sent.data, &rows.iter().filter_map(|r| r.2).collect::<Vec<_>>());
        let Scalar::FloatData(sent) = scalar(&request, 5) else { panic!() };
        let floats: Vec<u8> = rows.iter().filter_map(|r| r.3).flat_map(|n| (n as f32).to_le_bytes()).collect();
        prop_assert_eq!(&sent.data[..], &floats[..]);
        let Scalar::DoubleData(sent) = scalar(&request, 6) else { panic!() };
        let doubles: Vec<u8> = rows.iter().filter_map(|r| r.3).flat_map(f64::to_le_bytes).collect();
        prop_assert_eq!(&sent.data[..], &doubles[..]);
        let texts: Vec<_> = rows.iter().filter_map(|r| r.4.clone()).collect();
        let Scalar::StringData(sent) = scalar(&request, 7) else { panic!() };
        prop_assert_eq!(&sent.data, &texts);
        let Scalar::JsonData(sent) = scalar(&request, 8) else { panic!() };
        prop_assert_eq!(sent.data.len(), texts.len());
    }
}

#[test]
fn vectors_are_not_copied() {
    let values = Float32Array::from(vec![1.0f32; 8_000]);
    let memory = values.values().as_ptr().cast::<u8>();
    let rows = batch(vec![lists(DataType::Float32, 8, Arc::new(values))]);
    let head = head(vec![column(0, Milvus::FloatVector, 8)]);
    let frames = head.request(&rows.slice(10, 100)).unwrap();
    let part = frames.parts().iter().find(|part| part.len() == 3_200).unwrap();
    assert_eq!(part.as_ptr(), memory.wrapping_add(10 * 32));
}

#[test]
fn a_column_of_another_type_is_an_error() {
    let rows = batch(vec![Arc::new(StringArray::from(vec!["a"]))]);
    for data_type in [Milvus::Int64, Milvus::FloatVector, Milvus::Bool, Milvus::Timestamptz] {
        assert!(head(vec![column(0, data_type, 1)]).request(&rows).is_err(), "{data_type:?}");
    }
    let vectors = lists(DataType::Float32, 2, Arc::new(Float32Array::from(vec![0.0; 2])));
    let rows = batch(vec![vectors]);
    assert!(head(vec![column(0, Milvus::FloatVector, 3)]).request(&rows).is_err());
    assert!(head(vec![column(0, Milvus::FloatVector, 2)]).request(&rows).is_ok());
}
