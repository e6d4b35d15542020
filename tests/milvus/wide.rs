//! Rows as wide as they can be: requests stay small, whatever the width.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeListArray, Float32Array, Int64Array, ListArray, StringArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use arrow_array::{Array, RecordBatch};
use serde_json::json;
use vecpipe::table::{TableSchema, VectorColumn, VectorType, id_field, vector_field};

use crate::proxy::Proxy;
use crate::support::*;

/// The widest vector, in all its dimensions the number of its row.
fn vectors(dim: usize, rows: usize) -> ArrayRef {
    let values = (0..rows).flat_map(|row| std::iter::repeat_n(row as f32, dim));
    let values = Float32Array::from_iter_values(values);
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    Arc::new(FixedSizeListArray::new(item, dim as i32, Arc::new(values), None))
}

fn of(dim: usize, more: Vec<(Field, ArrayRef)>) -> (TableSchema, RecordBatch) {
    let rows = more[0].1.len();
    let column = VectorColumn { vector_type: VectorType::Float32, dim };
    let mut fields = vec![id_field("id", DataType::Int64), vector_field("v", column)];
    let ids = Int64Array::from_iter_values(0..rows as i64);
    let mut columns: Vec<ArrayRef> = vec![Arc::new(ids), vectors(dim, rows)];
    for (field, column) in more {
        fields.push(field);
        columns.push(column);
    }
    let schema = TableSchema::new(Arc::new(arrow::datatypes::Schema::new(fields))).unwrap();
    let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
    (schema, rows)
}

/// Texts of so many bytes.
fn texts(name: &str, bytes: usize, rows: usize) -> (Field, ArrayRef) {
    let texts = (0..rows).map(|row| format!("{row:0>bytes$}"));
    let field = Field::new(name, DataType::Utf8, false);
    (field, Arc::new(StringArray::from_iter_values(texts)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_widest_rows_move_in_requests_of_some_megabytes() {
    for server in Server::both() {
        let name = server.fresh("wide").await;
        // Rows of 650 kB, 39 MB at once.
        let more = (0..8).map(|n| texts(&format!("text{n}"), 65_535, 60)).collect();
        let (schema, rows) = of(32_768, more);
        let proxy = Proxy::start(&server.uri, &[]).await;
        let sink = sink(&proxy.uri, json!({}));
        let moved = move_rows(&*sink, &table_of(&name, schema), vec![rows]).await.unwrap();
        assert_eq!((moved.written.rows, moved.completion.rows_after, moved.retries), (60, 60, 0));
        let bytes: Vec<_> = proxy.calls().into_iter().map(|(_, bytes)| bytes).collect();
        assert!(bytes.len() >= 3 && bytes.iter().all(|bytes| *bytes <= 12 << 20), "{bytes:?}");
        let there = read_back(&server.client().await, &name).await;
        assert_eq!(there, (0..60).map(|id| (id, id as f32)).collect::<Vec<_>>());
        server.remove(&name).await;
    }
}

/// Only lists of texts make a row that large. Milvus Lite has no limit that one would come to.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_larger_than_the_server_takes_is_named() {
    for server in Server::both() {
        let name = server.fresh("too_wide").await;
        let lists = ListArray::new(
            Arc::new(Field::new("item", DataType::Utf8, false)),
            OffsetBuffer::from_lengths([1, 1, 1_100, 1]),
            texts("t", 65_000, 1_103).1,
            None,
        );
        let field = Field::new("texts", lists.data_type().clone(), false);
        let (schema, rows) = of(4, vec![(field, Arc::new(lists) as ArrayRef)]);
        let sink = sink(&server.uri, json!({}));
        let moved = move_rows(&*sink, &table_of(&name, schema), vec![rows]).await;
        if server.lite {
            // It takes what there is.
            assert_eq!(moved.unwrap().completion.rows_after, 4);
        } else {
            let words = moved.unwrap_err().to_string();
            for word in
                ["A row alone is 71.5 MB", "larger than max", "row 2 (id 2)", "leave the row"]
            {
                assert!(words.contains(word), "{words}");
            }
        }
        server.remove(&name).await;
    }
}
