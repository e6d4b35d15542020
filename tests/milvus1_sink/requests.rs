//! Requests, as another implementation of protobuf reads them.

use std::sync::Arc;

use arrow::datatypes::Field;
use arrow_array::{ArrayRef, FixedSizeListArray, Int64Array, RecordBatch, UInt8Array};
use proptest::prelude::*;
use prost::Message;
use vecpipe::milvus::v1::insert::InsertHead;
use vecpipe::milvus::v1::proto::InsertParam;
use vecpipe::table::{TableSchema, VectorColumn, VectorType};

use crate::support::{held, rows};

fn head(partition: &str) -> InsertHead {
    let (collection, partition) = ("c".to_owned(), partition.to_owned());
    InsertHead { collection, partition, id: 0, vector: 1 }
}

fn decoded(partition: &str, rows: &RecordBatch) -> InsertParam {
    let frames = head(partition).request(rows).unwrap();
    let message = frames.parts().concat().split_off(5);
    assert_eq!((message.len(), frames.rows()), (frames.message_len(), rows.num_rows()));
    InsertParam::decode(&*message).unwrap()
}

proptest! {
    #[test]
    fn any_rows_are_what_prost_reads(
        ids in prop::collection::vec(any::<i64>(), 0..50),
        skip in 0..10usize,
        partition in "[a-z ]{0,5}",
    ) {
        let all = rows(ids.clone(), 0.5);
        let skip = skip.min(ids.len());
        let request = decoded(&partition, &all.slice(skip, ids.len() - skip));
        prop_assert_eq!((&*request.collection_name, &*request.partition_tag), ("c", &*partition));
        let records = request.row_record_array.iter().map(|row| row.float_data.to_vec());
        let sent: Vec<_> = request.row_id_array.iter().copied().zip(records).collect();
        let expected = held(ids.into_iter().skip(skip), 0.5);
        prop_assert_eq!(sent, expected);
    }
}

#[test]
fn bits_are_sent_as_bytes() {
    let column = VectorColumn { vector_type: VectorType::Binary, dim: 16 };
    let schema = TableSchema::of_vectors("id", "v", column);
    let item = Arc::new(Field::new("item", arrow::datatypes::DataType::UInt8, false));
    let bytes = Arc::new(UInt8Array::from(vec![1, 2, 3, 4]));
    let vectors = FixedSizeListArray::new(item, 2, bytes, None);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![-1, 7])), Arc::new(vectors)];
    let request = decoded("", &RecordBatch::try_new(schema.arrow().clone(), columns).unwrap());
    let sent: Vec<_> = request.row_record_array.iter().map(|row| &*row.binary_data).collect();
    assert_eq!(sent, [[1, 2], [3, 4]]);
    assert_eq!(request.row_id_array, [-1, 7]);
}
